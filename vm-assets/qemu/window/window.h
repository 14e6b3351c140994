/*
 * A small library that is loaded in front of QEMU's window libraries (ld.so --preload) and makes the window ours: title, class, icon,
 * first size, a picture of our own until the guest has one, a size that the guest follows at once, and a close button that asks first.
 * docs/decisions/window.md says why, and what was turned down.
 *
 * SDL, GTK and QEMU are reached by name when they are there; nothing of them is linked, and no header of theirs is needed.
 */
#pragma once
#include <stdint.h>

#define HOOK __attribute__((visibility("default")))

/* Ghostty's background, so that the terminal comes without a flash. */
#define BACKGROUND 0x282c34
#define FOREGROUND 0xe6e6f0
#define DIM 0x7f8796

/* state.c: what the launcher wishes, out of a file that it writes and that is mapped here for reading only. */
enum show { SHOW_GUEST, SHOW_PICTURE };
struct wishes {
	enum show show;
	/* What is going on, in small letters. */
	char say[64];
	/* The first size; 0 where QEMU's own will do. */
	int width, height;
	int maximized;
};
/* Says whether anything has changed since the last call. Without a file everything is as QEMU has it. */
int read_wishes(struct wishes *wishes);

/* picture.c */
typedef void fill_fn(void *canvas, int x, int y, int width, int height, uint32_t rgb);
/* Fills a canvas of that size. `step` counts up while the picture is shown. */
void paint_picture(const struct wishes *wishes, unsigned step, int width, int height, fill_fn *fill, void *canvas);
/* gl.c */
typedef void *gl_find_fn(const char *);
void paint_with_gl(const struct wishes *wishes, unsigned step, int width, int height, gl_find_fn *find);

/* Says whether what has been drawn in the current context is more than black. */
int is_drawn_with_gl(int width, int height, gl_find_fn *find);

/* stage.c: what is on show, which is not at once what the launcher wishes. */
enum stage {
	GUEST,
	PICTURE,
	/* The terminal is there and has drawn nothing yet: a shell may be quicker than its window, and the compositor's first frame is black. */
	GUEST_SOON,
};
struct showing {
	enum stage stage;
	unsigned since, step, painted_at;
	struct wishes wishes;
};
enum due { NOTHING = 0, REPAINT = 1, LOOK_AGAIN = 2 };
/* What is to be done now; called some thirty times a second. */
enum due look_at_wishes(struct showing *showing, unsigned now);
/* The guest's picture as rows of 32 bits: is there more in it than black? */
int is_drawn(const uint32_t *pixels, int count);

#define ICON_SIZE 64
/* ICON_SIZE rows of 0xAARRGGBB. */
const uint32_t *icon_pixels(void);

/* qemu.c */
/* Tells the guest the size of its window (0, 0: the one that QEMU has been told) without the second that QEMU waits. False while it cannot. */
int tell_guest_size(int width, int height);
/* Asks for an orderly end: the launcher sees the event and ends the session. */
void ask_for_end(void);
/* The launcher's title and QEMU's hint about the keys, out of QEMU's own title. */
const char *our_title(const char *qemus);
unsigned milliseconds(void);

/* After the last change of the size; a window that is being dragged changes many times a second. */
#define SETTLE_MS 100
/* Between two pictures. */
#define STEP_MS 250
