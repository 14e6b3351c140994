/** Finds the shell's first prompt in a picture: by its colour, which nothing else on the screen has. Pure. */

export interface Frame {
	readonly width: number;
	readonly height: number;
	/** 0x00RRGGBB, row by row. */
	readonly pixels: Uint32Array;
}

/** Where the prompt's coloured words stand, and how wide one character is, in pixels. */
export interface Box {
	readonly left: number;
	readonly right: number;
	readonly top: number;
	readonly bottom: number;
	readonly cell: number;
}

/** `ghost@virtualghost`, in bold green (vm-assets/guest/overlay/etc/bash.bashrc). */
const PROMPT_CHARS = 18;
/** foot's and Ghostty's green, normal and bright (vm-assets/guest/overlay/usr/share/virtualghost/foot.ini). */
const GREENS = [0xb5bd68, 0xb9ca4a] as const;
const BACKGROUND = 0x282c34;
/** A GPU's blending may round. */
const TOLERANCE = 6;
/** Every other row is enough to see a line of text, and costs half. */
const ROW_STEP = 2;
/** Of the 18 characters some hundred pixels are of the pure colour; a few would be a prompt that is still being painted. */
const PIXELS_MIN = 60;
/** A cursor that blinks moves the line's end by 2 cells: from the `$` over a blank. */
const GROWN_CELLS_MIN = 2.5;
/** Characters behind the prompt that are looked at. */
const LINE_CHARS = 60;

function isNear(pixel: number, colour: number): boolean {
	for (const shift of [16, 8, 0]) {
		if (Math.abs(((pixel >> shift) & 255) - ((colour >> shift) & 255)) > TOLERANCE) return false;
	}
	return true;
}

const isGreen = (pixel: number) => isNear(pixel, GREENS[0]) || isNear(pixel, GREENS[1]);

export function findPrompt({ width, height, pixels }: Frame): Box | null {
	let [count, left, right, top, bottom] = [0, width, -1, height, -1];
	for (let y = 0; y < height; y += ROW_STEP) {
		for (let x = 0, at = y * width; x < width; x++, at++) {
			const pixel = pixels[at] ?? 0;
			// Red and green strong, blue weak: cheap, and rules out nearly all of a screen.
			if ((pixel & 0x808080) !== 0x808000 || !isGreen(pixel)) continue;
			count++;
			left = Math.min(left, x);
			right = Math.max(right, x);
			top = Math.min(top, y);
			bottom = y;
		}
	}
	if (count < PIXELS_MIN) return null;
	return { left, right, top, bottom, cell: (right - left + 1) / PROMPT_CHARS };
}

/** Rightmost column on the prompt's line that anything stands in. */
export function lineEnd({ width, pixels }: Frame, prompt: Box): number {
	const limit = Math.min(width - 1, Math.round(prompt.left + LINE_CHARS * prompt.cell));
	let end = prompt.right;
	for (let y = prompt.top; y <= prompt.bottom; y++) {
		for (let x = limit; x > end; x--) {
			if (!isNear(pixels[y * width + x] ?? BACKGROUND, BACKGROUND)) end = x;
		}
	}
	return end;
}

/** Whether the line has grown by more than a cursor: by some of four letters that were typed. */
export function hasEcho(before: number, after: number, prompt: Box): boolean {
	return after - before >= GROWN_CELLS_MIN * prompt.cell;
}
