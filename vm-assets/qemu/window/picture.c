/* The mark and a line of text, as filled rectangles: SDL's renderer, OpenGL and cairo all have those. */
#include "window.h"
#include <string.h>

#define CELLS 16
/* '#' is the ghost, 'o' its face: a prompt. */
static const char mark[CELLS][CELLS + 1] = {
	".....######.....",
	"...##########...",
	"..############..",
	"..############..",
	".##############.",
	".##############.",
	".###o##########.",
	".####o#########.",
	".#####o########.",
	".####o#########.",
	".###o###ooooo##.",
	".##############.",
	".##############.",
	".##############.",
	".###.####.####..",
	"..#...##...##...",
};

/* Seven rows of five bits each. Drawn for this program. */
static const uint8_t letters[26][7] = {
	{0x00, 0x00, 0x0e, 0x01, 0x0f, 0x11, 0x0f}, /* a */
	{0x10, 0x10, 0x1e, 0x11, 0x11, 0x11, 0x1e}, /* b */
	{0x00, 0x00, 0x0e, 0x10, 0x10, 0x11, 0x0e}, /* c */
	{0x01, 0x01, 0x0f, 0x11, 0x11, 0x11, 0x0f}, /* d */
	{0x00, 0x00, 0x0e, 0x11, 0x1f, 0x10, 0x0e}, /* e */
	{0x06, 0x09, 0x08, 0x1c, 0x08, 0x08, 0x08}, /* f */
	{0x00, 0x0f, 0x11, 0x11, 0x0f, 0x01, 0x0e}, /* g */
	{0x10, 0x10, 0x1e, 0x11, 0x11, 0x11, 0x11}, /* h */
	{0x04, 0x00, 0x0c, 0x04, 0x04, 0x04, 0x0e}, /* i */
	{0x02, 0x00, 0x06, 0x02, 0x02, 0x12, 0x0c}, /* j */
	{0x10, 0x10, 0x12, 0x14, 0x18, 0x14, 0x12}, /* k */
	{0x0c, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0e}, /* l */
	{0x00, 0x00, 0x1a, 0x15, 0x15, 0x15, 0x15}, /* m */
	{0x00, 0x00, 0x1e, 0x11, 0x11, 0x11, 0x11}, /* n */
	{0x00, 0x00, 0x0e, 0x11, 0x11, 0x11, 0x0e}, /* o */
	{0x00, 0x1e, 0x11, 0x11, 0x1e, 0x10, 0x10}, /* p */
	{0x00, 0x0f, 0x11, 0x11, 0x0f, 0x01, 0x01}, /* q */
	{0x00, 0x00, 0x16, 0x19, 0x10, 0x10, 0x10}, /* r */
	{0x00, 0x00, 0x0f, 0x10, 0x0e, 0x01, 0x1e}, /* s */
	{0x08, 0x08, 0x1c, 0x08, 0x08, 0x09, 0x06}, /* t */
	{0x00, 0x00, 0x11, 0x11, 0x11, 0x11, 0x0f}, /* u */
	{0x00, 0x00, 0x11, 0x11, 0x11, 0x0a, 0x04}, /* v */
	{0x00, 0x00, 0x11, 0x11, 0x15, 0x15, 0x0a}, /* w */
	{0x00, 0x00, 0x11, 0x0a, 0x04, 0x0a, 0x11}, /* x */
	{0x00, 0x11, 0x11, 0x11, 0x0f, 0x01, 0x0e}, /* y */
	{0x00, 0x00, 0x1f, 0x02, 0x04, 0x08, 0x1f}, /* z */
};

#define LETTER_WIDTH 6
#define LETTER_HEIGHT 7

static void paint_mark(int left, int top, int cell, uint32_t face, fill_fn *fill, void *canvas) {
	for (int y = 0; y < CELLS; y++)
		for (int x = 0; x < CELLS; x++) {
			if (mark[y][x] == '.') continue;
			fill(canvas, left + x * cell, top + y * cell, cell, cell, mark[y][x] == 'o' ? face : FOREGROUND);
		}
}

static void paint_text(const char *text, int left, int top, int dot, fill_fn *fill, void *canvas) {
	for (; *text; text++, left += LETTER_WIDTH * dot) {
		if (*text == '.') fill(canvas, left + 2 * dot, top + 6 * dot, dot, dot, DIM);
		if (*text < 'a' || *text > 'z') continue;
		for (int y = 0; y < LETTER_HEIGHT; y++)
			for (int x = 0; x < 5; x++)
				if (letters[*text - 'a'][y] & (0x10 >> x)) fill(canvas, left + x * dot, top + y * dot, dot, dot, DIM);
	}
}

void paint_picture(const struct wishes *wishes, unsigned step, int width, int height, fill_fn *fill, void *canvas) {
	fill(canvas, 0, 0, width, height, BACKGROUND);
	int small = width < height ? width : height;
	int cell = small / 64, dot = small / 256;
	if (cell < 1) cell = 1;
	if (dot < 1) dot = 1;
	/* It floats: a window that has stopped is told from one that is slow. */
	static const int float_by[] = {0, 1, 1, 0, 0, -1, -1, 0};
	int top = height / 2 - CELLS * cell + float_by[step / 2 % 8] * dot;
	paint_mark((width - CELLS * cell) / 2, top, cell, BACKGROUND, fill, canvas);
	int left = (width - (int)strlen(wishes->say) * LETTER_WIDTH * dot) / 2;
	int below = height / 2 + 4 * cell;
	paint_text(wishes->say, left, below, dot, fill, canvas);
	for (unsigned i = 0; i < 3; i++) {
		int on = step % 4 > i;
		int x = width / 2 + ((int)i - 1) * 4 * dot - dot / 2;
		fill(canvas, x, below + 12 * dot, dot, dot, on ? DIM : BACKGROUND);
	}
}

static void fill_icon(void *canvas, int x, int y, int width, int height, uint32_t rgb) {
	uint32_t *pixels = canvas;
	for (int row = y; row < y + height; row++)
		for (int column = x; column < x + width; column++) pixels[row * ICON_SIZE + column] = 0xff000000u | rgb;
}

const uint32_t *icon_pixels(void) {
	static uint32_t pixels[ICON_SIZE * ICON_SIZE];
	/* On a tile of the terminal's colour: it is to be seen on light and on dark panels. */
	int cell = ICON_SIZE / (CELLS + 4), margin = (ICON_SIZE - CELLS * cell) / 2;
	fill_icon(pixels, 0, 0, ICON_SIZE, ICON_SIZE, BACKGROUND);
	paint_mark(margin, margin, cell, BACKGROUND, fill_icon, pixels);
	return pixels;
}
