/* QEMU's GTK window. Each function here stands in front of the one of the same name in GTK, GLib or GObject. */
#define _GNU_SOURCE
#include "window.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM "virtualghost"

/* Modules of QEMU's have loaded these; they are in no scope that RTLD_NEXT searches. */
static void *find(const char *library, const char *name) {
	void *handle = dlopen(library, RTLD_NOLOAD | RTLD_LAZY);
	void *found = handle ? dlsym(handle, name) : NULL;
	if (handle) dlclose(handle);
	if (!found) abort();
	return found;
}

#define GTK(name, type) ((type)find("libgtk-3.so.0", #name))
#define GDK(name, type) ((type)find("libgdk-3.so.0", #name))
#define GOBJECT(name, type) ((type)find("libgobject-2.0.so.0", #name))
#define GLIB(name, type) ((type)find("libglib-2.0.so.0", #name))
#define CAIRO(name, type) ((type)find("libcairo.so.2", #name))
typedef void void_fn(void *);
typedef int handler_fn(void *, void *, void *);

static struct {
	void *window, *area;
	int is_gl, close_asked, resized;
	unsigned resized_at;
	struct showing showing;
	/* The guest's picture without OpenGL. */
	const uint32_t *pixels;
	int pixel_count;
} it;

/* A handler of QEMU's behind one of ours. */
struct behind {
	handler_fn *handler;
	void *data;
};

struct canvas {
	void *cairo;
	void (*colour)(void *, double, double, double);
	void (*rectangle)(void *, double, double, double, double);
	void_fn *fill;
};

static void fill_cairo(void *canvas, int x, int y, int width, int height, uint32_t rgb) {
	struct canvas *on = canvas;
	on->colour(on->cairo, (rgb >> 16) / 255., (rgb >> 8 & 255) / 255., (rgb & 255) / 255.);
	on->rectangle(on->cairo, x, y, width, height);
	on->fill(on->cairo);
}

static int draw(void *widget, void *cairo, void *data) {
	struct behind *behind = data;
	it.area = widget;
	if (it.showing.stage == GUEST_SOON && (!it.pixels || is_drawn(it.pixels, it.pixel_count))) it.showing.stage = GUEST;
	if (it.showing.stage == GUEST) return behind->handler(widget, cairo, behind->data);
	struct canvas canvas = {
		.cairo = cairo,
		.colour = CAIRO(cairo_set_source_rgb, void (*)(void *, double, double, double)),
		.rectangle = CAIRO(cairo_rectangle, void (*)(void *, double, double, double, double)),
		.fill = CAIRO(cairo_fill, void_fn *),
	};
	int width = GTK(gtk_widget_get_allocated_width, int (*)(void *))(widget);
	int height = GTK(gtk_widget_get_allocated_height, int (*)(void *))(widget);
	paint_picture(&it.showing.wishes, it.showing.step, width, height, fill_cairo, &canvas);
	return 1;
}

/* In a GtkGLArea, whose context is current then. */
static int render(void *area, void *context, void *data) {
	struct behind *behind = data;
	it.area = area;
	it.is_gl = 1;
	if (it.showing.stage == GUEST) return behind->handler(area, context, behind->data);
	int scale = GTK(gtk_widget_get_scale_factor, int (*)(void *))(area);
	int width = GTK(gtk_widget_get_allocated_width, int (*)(void *))(area) * scale;
	int height = GTK(gtk_widget_get_allocated_height, int (*)(void *))(area) * scale;
	gl_find_fn *get = (gl_find_fn *)dlsym(RTLD_DEFAULT, "eglGetProcAddress");
	if (it.showing.stage == GUEST_SOON) {
		behind->handler(area, context, behind->data);
		if (is_drawn_with_gl(width, height, get)) {
			it.showing.stage = GUEST;
			return 1;
		}
	}
	paint_with_gl(&it.showing.wishes, it.showing.step, width, height, get);
	return 1;
}

static int close_window(void *widget, void *event, void *data) {
	struct behind *behind = data;
	/* As in sdl.c. */
	if (it.close_asked || it.showing.stage == PICTURE) return behind->handler(widget, event, behind->data);
	it.close_asked = 1;
	ask_for_end();
	return 1;
}

static int resize(void *widget, void *event, void *data) {
	struct behind *behind = data;
	it.resized = 1;
	it.resized_at = milliseconds();
	return behind->handler(widget, event, behind->data);
}

static void redraw(void) {
	if (!it.area) return;
	if (it.is_gl) GTK(gtk_gl_area_queue_render, void_fn *)(it.area);
	else GTK(gtk_widget_queue_draw, void_fn *)(it.area);
}

static int tick(void *nothing) {
	(void)nothing;
	unsigned now = milliseconds();
	if (look_at_wishes(&it.showing, now) != NOTHING) redraw();
	if (it.resized && now - it.resized_at >= SETTLE_MS && tell_guest_size(0, 0)) it.resized = 0;
	return 1;
}

static const struct { const char *signal; handler_fn *ours; } fronts[] = {
	{"draw", draw},
	{"render", render},
	{"delete-event", close_window},
	{"configure-event", resize},
};

/* GTK connects its own handlers through the same function. */
static int is_qemus(void *caller) {
	Dl_info info;
	return dladdr(caller, &info) && info.dli_fname && strstr(info.dli_fname, "ui-gtk.so");
}

HOOK unsigned long g_signal_connect_data(void *on, const char *signal, void *handler, void *data, void *notify, int flags) {
	unsigned long (*connect)(void *, const char *, void *, void *, void *, int) =
		GOBJECT(g_signal_connect_data, unsigned long (*)(void *, const char *, void *, void *, void *, int));
	for (unsigned i = 0; i < sizeof fronts / sizeof *fronts; i++) {
		if (strcmp(signal, fronts[i].signal) != 0 || !is_qemus(__builtin_return_address(0))) continue;
		struct behind *behind = malloc(sizeof *behind);
		if (!behind) break;
		*behind = (struct behind){.handler = (handler_fn *)handler, .data = data};
		return connect(on, signal, (void *)fronts[i].ours, behind, notify, flags);
	}
	return connect(on, signal, handler, data, notify, flags);
}

HOOK int gtk_init_check(int *argc, char ***argv) {
	/* Its class, and its app id on Wayland. */
	GLIB(g_set_prgname, void (*)(const char *))(PROGRAM);
	return GTK(gtk_init_check, int (*)(int *, char ***))(argc, argv);
}

HOOK void g_set_prgname(const char *name) {
	GLIB(g_set_prgname, void (*)(const char *))(strcmp(name, "qemu") == 0 ? PROGRAM : name);
}

/* GTK counts in units that are so many pixels wide. */
static int monitor_scale(void) {
	void *display = GDK(gdk_display_get_default, void *(*)(void))();
	void *monitor = display ? GDK(gdk_display_get_monitor, void *(*)(void *, int))(display, 0) : NULL;
	int scale = monitor ? GDK(gdk_monitor_get_scale_factor, int (*)(void *))(monitor) : 1;
	return scale > 0 ? scale : 1;
}

HOOK void *gtk_window_new(int type) {
	void *window = GTK(gtk_window_new, void *(*)(int))(type);
	if (it.window || !is_qemus(__builtin_return_address(0))) return window;
	it.window = window;
	look_at_wishes(&it.showing, milliseconds());
	const struct wishes *wishes = &it.showing.wishes;
	if (wishes->width > 0 && wishes->height > 0) {
		void (*size)(void *, int, int) = GTK(gtk_window_set_default_size, void (*)(void *, int, int));
		int scale = monitor_scale();
		size(window, wishes->width / scale, wishes->height / scale);
	}
	if (wishes->maximized) GTK(gtk_window_maximize, void_fn *)(window);
	GLIB(g_timeout_add, unsigned (*)(unsigned, int (*)(void *), void *))(SETTLE_MS / 2, tick, NULL);
	return window;
}

HOOK void gtk_window_set_title(void *window, const char *title) {
	GTK(gtk_window_set_title, void (*)(void *, const char *))(window, title ? our_title(title) : title);
}

HOOK void gtk_window_set_icon_name(void *window, const char *name) {
	if (window != it.window) {
		GTK(gtk_window_set_icon_name, void (*)(void *, const char *))(window, name);
		return;
	}
	/* GdkPixbuf's pixels are bytes in the order red, green, blue, alpha. */
	static uint8_t bytes[ICON_SIZE * ICON_SIZE * 4];
	const uint32_t *pixels = icon_pixels();
	for (int i = 0; i < ICON_SIZE * ICON_SIZE; i++)
		for (int part = 0; part < 4; part++) bytes[i * 4 + part] = (uint8_t)(pixels[i] >> (part == 3 ? 24 : 16 - 8 * part));
	void *(*from_data)(const uint8_t *, int, int, int, int, int, int, void *, void *) =
		find("libgdk_pixbuf-2.0.so.0", "gdk_pixbuf_new_from_data");
	void *icon = from_data(bytes, 0, 1, 8, ICON_SIZE, ICON_SIZE, ICON_SIZE * 4, NULL, NULL);
	GTK(gtk_window_set_icon, void (*)(void *, void *))(window, icon);
}

HOOK void *cairo_image_surface_create_for_data(uint8_t *data, int format, int width, int height, int stride) {
	if (is_qemus(__builtin_return_address(0))) {
		it.pixels = (const uint32_t *)(const void *)data;
		it.pixel_count = stride / 4 * height;
	}
	void *(*create)(uint8_t *, int, int, int, int) =
		CAIRO(cairo_image_surface_create_for_data, void *(*)(uint8_t *, int, int, int, int));
	return create(data, format, width, height, stride);
}

/* The window's size is the user's: the guest follows it, and never the other way round. */
HOOK void gtk_window_resize(void *window, int width, int height) {
	if (window != it.window) GTK(gtk_window_resize, void (*)(void *, int, int))(window, width, height);
}
