/* The picture with OpenGL, whatever its version: scissored clears need no shader. The window's context has to be current. */
#include "window.h"
#include <stdlib.h>

enum { RGBA = 0x1908, UNSIGNED_BYTE = 0x1401, SCISSOR_TEST = 0x0c11, COLOR_BUFFER_BIT = 0x4000 };

struct gl {
	void (*clear_color)(float, float, float, float);
	void (*clear)(unsigned);
	void (*scissor)(int, int, int, int);
	int height;
};

static void fill_gl(void *canvas, int x, int y, int width, int height, uint32_t rgb) {
	struct gl *gl = canvas;
	/* OpenGL counts from below. */
	gl->scissor(x, gl->height - y - height, width, height);
	gl->clear_color((rgb >> 16) / 255.f, (rgb >> 8 & 255) / 255.f, (rgb & 255) / 255.f, 1.f);
	gl->clear(COLOR_BUFFER_BIT);
}

void paint_with_gl(const struct wishes *wishes, unsigned step, int width, int height, gl_find_fn *find) {
	void (*enable)(unsigned) = find ? find("glEnable") : NULL, (*disable)(unsigned) = find ? find("glDisable") : NULL;
	if (!enable || !disable) return;
	struct gl gl = {find("glClearColor"), find("glClear"), find("glScissor"), height};
	if (!gl.clear_color || !gl.clear || !gl.scissor) return;
	enable(SCISSOR_TEST);
	paint_picture(wishes, step, width, height, fill_gl, &gl);
	disable(SCISSOR_TEST);
}

int is_drawn_with_gl(int width, int height, gl_find_fn *find) {
	void (*read)(int, int, int, int, unsigned, unsigned, void *) = find ? find("glReadPixels") : NULL;
	uint32_t *pixels = calloc((size_t)width * (size_t)height, sizeof *pixels);
	int drawn = 1;
	if (read && pixels) {
		read(0, 0, width, height, RGBA, UNSIGNED_BYTE, pixels);
		drawn = is_drawn(pixels, width * height);
	}
	free(pixels);
	return drawn;
}
