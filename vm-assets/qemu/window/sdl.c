/* QEMU's SDL window. Each function here stands in front of SDL's of the same name. */
#define _GNU_SOURCE
#include "window.h"
#include <dlfcn.h>
#include <locale.h>
#include <stdlib.h>

/* SDL 2's, whose binary interface is stable. */
struct rect { int x, y, width, height; };
struct event {
	uint32_t type, timestamp, window_id;
	uint8_t window_event, padding[3];
	int32_t data1, data2;
	uint8_t rest[128];
};
enum { QUIT = 0x100, WINDOW_EVENT = 0x200, EXPOSED = 3, RESIZED = 5, SIZE_CHANGED = 6, CLOSE = 14 };
enum { FLAG_HIDDEN = 0x8, FLAG_MAXIMIZED = 0x80 };
enum { ARGB8888 = 0x16362004 };
enum { GL_FRAMEBUFFER = 0x8d40, GL_FRAMEBUFFER_BINDING = 0x8ca6 };

/* A module of QEMU's has loaded it; it is in no scope that RTLD_NEXT searches. */
static void *real(const char *name) {
	static void *library;
	if (!library) library = dlopen("libSDL2-2.0.so.0", RTLD_NOLOAD | RTLD_LAZY);
	void *found = library ? dlsym(library, name) : NULL;
	if (!found) abort();
	return found;
}

#define REAL(name, type) ((type)real(#name))
typedef void window_fn(void *);
typedef void size_fn(void *, int *, int *);

static struct {
	void *window, *renderer, *gl;
	struct showing showing;
	/* The guest has to be told the size of the window. */
	int resized;
	unsigned resized_at;
	int close_asked, quit_follows;
} it;

static void fill_renderer(void *renderer, int x, int y, int width, int height, uint32_t rgb) {
	struct rect rect = {x, y, width, height};
	REAL(SDL_SetRenderDrawColor, int (*)(void *, int, int, int, int))(renderer, rgb >> 16, rgb >> 8 & 255, rgb & 255, 255);
	REAL(SDL_RenderFillRect, int (*)(void *, const struct rect *))(renderer, &rect);
}

static void paint_renderer(void) {
	int logical_width, logical_height, width, height;
	REAL(SDL_RenderGetLogicalSize, size_fn *)(it.renderer, &logical_width, &logical_height);
	int (*scale)(void *, int, int) = REAL(SDL_RenderSetLogicalSize, int (*)(void *, int, int));
	scale(it.renderer, 0, 0);
	REAL(SDL_GetRendererOutputSize, int (*)(void *, int *, int *))(it.renderer, &width, &height);
	paint_picture(&it.showing.wishes, it.showing.step, width, height, fill_renderer, it.renderer);
	/* What QEMU clears the border of its own picture with. */
	REAL(SDL_SetRenderDrawColor, int (*)(void *, int, int, int, int))(it.renderer, 0, 0, 0, 255);
	scale(it.renderer, logical_width, logical_height);
}

/* QEMU has drawn the guest's picture, and is about to show it. */
static int is_renderer_drawn(void) {
	int width, height, drawn = 1;
	REAL(SDL_GetRendererOutputSize, int (*)(void *, int *, int *))(it.renderer, &width, &height);
	uint32_t *pixels = calloc((size_t)width * (size_t)height, sizeof *pixels);
	int (*read)(void *, void *, uint32_t, void *, int) =
		REAL(SDL_RenderReadPixels, int (*)(void *, void *, uint32_t, void *, int));
	if (pixels && read(it.renderer, NULL, ARGB8888, pixels, width * 4) == 0) drawn = is_drawn(pixels, width * height);
	free(pixels);
	return drawn;
}

/* Our picture, or none where the guest has one to show. The window's context has to be current. */
static void paint_gl(void) {
	gl_find_fn *find = REAL(SDL_GL_GetProcAddress, gl_find_fn *);
	void (*bind)(unsigned, unsigned) = find("glBindFramebuffer");
	void (*get)(unsigned, int *) = find("glGetIntegerv");
	if (!bind || !get) return;
	int width, height, bound = 0;
	REAL(SDL_GL_GetDrawableSize, size_fn *)(it.window, &width, &height);
	get(GL_FRAMEBUFFER_BINDING, &bound);
	bind(GL_FRAMEBUFFER, 0);
	if (it.showing.stage == GUEST_SOON && is_drawn_with_gl(width, height, find)) it.showing.stage = GUEST;
	else paint_with_gl(&it.showing.wishes, it.showing.step, width, height, find);
	bind(GL_FRAMEBUFFER, (unsigned)bound);
}

static void show_picture(void) {
	if (it.gl) {
		if (REAL(SDL_GL_MakeCurrent, int (*)(void *, void *))(it.window, it.gl) != 0) return;
		paint_gl();
		REAL(SDL_GL_SwapWindow, window_fn *)(it.window);
	} else if (it.renderer) {
		paint_renderer();
		REAL(SDL_RenderPresent, window_fn *)(it.renderer);
	}
}

/* The guest's picture again, which QEMU draws when it is told that the window was covered. */
static void show_guest(void) {
	struct event event = {.type = WINDOW_EVENT, .window_event = EXPOSED};
	event.window_id = REAL(SDL_GetWindowID, uint32_t (*)(void *))(it.window);
	REAL(SDL_PushEvent, int (*)(struct event *))(&event);
}

/* Some thirty times a second. */
static void tick(void) {
	if (!it.window) return;
	unsigned now = milliseconds();
	enum due due = look_at_wishes(&it.showing, now);
	if (due == REPAINT) show_picture();
	if (due == LOOK_AGAIN) show_guest();
	if (it.resized && now - it.resized_at >= SETTLE_MS) {
		int width, height;
		REAL(SDL_GetWindowSize, size_fn *)(it.window, &width, &height);
		if (tell_guest_size(width, height)) it.resized = 0;
	}
}

static void note_resize(void) {
	it.resized = 1;
	it.resized_at = milliseconds();
}

/* Says whether QEMU may see the event. */
static int pass(const struct event *event) {
	if (event->type == QUIT) {
		int ours = it.quit_follows;
		it.quit_follows = 0;
		return !ours;
	}
	if (event->type != WINDOW_EVENT) return 1;
	if (event->window_event == RESIZED || event->window_event == SIZE_CHANGED) note_resize();
	if (event->window_event != CLOSE) return 1;
	/* Before there is a terminal nothing is worth asking for; and who asks twice means it. */
	if (it.close_asked || it.showing.stage == PICTURE) return 1;
	it.close_asked = it.quit_follows = 1;
	ask_for_end();
	return 0;
}

HOOK int SDL_PollEvent(struct event *event) {
	int (*poll)(struct event *) = REAL(SDL_PollEvent, int (*)(struct event *));
	tick();
	int got;
	while ((got = poll(event)) && event && !pass(event)) continue;
	return got;
}

/* No larger than what the desktop leaves to windows. */
static void fit(int *width, int *height) {
	struct rect usable;
	if (REAL(SDL_GetDisplayUsableBounds, int (*)(int, struct rect *))(0, &usable) != 0) return;
	if (*width > usable.width) *width = usable.width;
	if (*height > usable.height) *height = usable.height;
}

HOOK void *SDL_CreateWindow(const char *title, int x, int y, int width, int height, uint32_t flags) {
	void *(*create)(const char *, int, int, int, int, uint32_t) =
		REAL(SDL_CreateWindow, void *(*)(const char *, int, int, int, int, uint32_t));
	if (it.window || flags & FLAG_HIDDEN) return create(title, x, y, width, height, flags);
	/* As QEMU's GTK window does it: in the "C" locale libX11 makes an empty title of one that is not ASCII. */
	setlocale(LC_CTYPE, "C.UTF-8");
	look_at_wishes(&it.showing, milliseconds());
	const struct wishes *wishes = &it.showing.wishes;
	if (wishes->width > 0 && wishes->height > 0) {
		width = wishes->width;
		height = wishes->height;
		fit(&width, &height);
	}
	if (wishes->maximized) flags |= FLAG_MAXIMIZED;
	it.window = create(our_title(title), x, y, width, height, flags);
	void *(*surface)(const void *, int, int, int, int, uint32_t, uint32_t, uint32_t, uint32_t) = REAL(
		SDL_CreateRGBSurfaceFrom, void *(*)(const void *, int, int, int, int, uint32_t, uint32_t, uint32_t, uint32_t)
	);
	void *icon = surface(icon_pixels(), ICON_SIZE, ICON_SIZE, 32, ICON_SIZE * 4, 0xff0000, 0xff00, 0xff, 0xff000000u);
	if (it.window && icon) REAL(SDL_SetWindowIcon, void (*)(void *, void *))(it.window, icon);
	note_resize();
	return it.window;
}

HOOK void SDL_DestroyWindow(void *window) {
	if (window == it.window) it.window = it.renderer = it.gl = NULL;
	REAL(SDL_DestroyWindow, window_fn *)(window);
}

HOOK void SDL_SetWindowTitle(void *window, const char *title) {
	REAL(SDL_SetWindowTitle, void (*)(void *, const char *))(window, our_title(title));
}

/* QEMU's own, from a folder of the host's. */
HOOK void SDL_SetWindowIcon(void *window, void *icon) {
	(void)window, (void)icon;
}

/* The window's size is the user's: the guest follows it, and never the other way round. */
HOOK void SDL_SetWindowSize(void *window, int width, int height) {
	if (window != it.window) REAL(SDL_SetWindowSize, void (*)(void *, int, int))(window, width, height);
}

HOOK void *SDL_CreateRenderer(void *window, int index, uint32_t flags) {
	void *renderer = REAL(SDL_CreateRenderer, void *(*)(void *, int, uint32_t))(window, index, flags);
	if (window == it.window) it.renderer = renderer;
	return renderer;
}

HOOK void SDL_DestroyRenderer(void *renderer) {
	if (renderer == it.renderer) it.renderer = NULL;
	REAL(SDL_DestroyRenderer, window_fn *)(renderer);
}

/* The first one is that of the window; virglrenderer makes more for the guest. */
HOOK void *SDL_GL_CreateContext(void *window) {
	void *context = REAL(SDL_GL_CreateContext, void *(*)(void *))(window);
	if (window == it.window && !it.gl && !it.renderer) it.gl = context;
	return context;
}

HOOK void SDL_GL_DeleteContext(void *context) {
	if (context == it.gl) it.gl = NULL;
	REAL(SDL_GL_DeleteContext, window_fn *)(context);
}

HOOK void SDL_RenderPresent(void *renderer) {
	if (renderer == it.renderer && it.showing.stage != GUEST) {
		if (it.showing.stage == GUEST_SOON && is_renderer_drawn()) it.showing.stage = GUEST;
		else paint_renderer();
	}
	REAL(SDL_RenderPresent, window_fn *)(renderer);
}

HOOK void SDL_GL_SwapWindow(void *window) {
	if (window == it.window && it.gl && it.showing.stage != GUEST) paint_gl();
	REAL(SDL_GL_SwapWindow, window_fn *)(window);
}
