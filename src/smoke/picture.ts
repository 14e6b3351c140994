/** Looks at pictures of the guest's screen. Pure. */
import { Fault } from "../errors.ts";

/** 8-bit RGB pixels. */
export interface Picture {
	readonly width: number;
	readonly height: number;
	readonly pixels: Uint8Array;
}

const PIXELS_MAX = 16_384 * 16_384;

/** Reads a binary PPM (P6, 8 bits). The bytes may come from the guest. @throws Fault if they are none. */
export function parsePpm(bytes: Uint8Array): Picture {
	const head = new TextDecoder("latin1").decode(bytes.subarray(0, 200));
	const match = /^P6\s(?:#[^\n]*\n)?\s*(\d+)\s+(\d+)\s+255\s/.exec(head);
	const [all = "", width = 0, height = 0] = match ? [match[0], Number(match[1]), Number(match[2])] : [];
	const pixels = bytes.subarray(all.length);
	if (!match || width * height > PIXELS_MAX || pixels.length < width * height * 3 || width * height === 0) {
		throw new Fault("The screenshot is not a picture");
	}
	return { width, height, pixels: pixels.subarray(0, width * height * 3) };
}

/** Share of pixels (0-1) that differ from the most common colour: 0 is a blank screen. */
export function drawnShare(picture: Picture): number {
	const counts = new Map<number, number>();
	const { pixels } = picture;
	for (let i = 0; i < pixels.length; i += 3) {
		const colour = ((pixels[i] ?? 0) << 16) | ((pixels[i + 1] ?? 0) << 8) | (pixels[i + 2] ?? 0);
		counts.set(colour, (counts.get(colour) ?? 0) + 1);
	}
	return 1 - Math.max(...counts.values()) / (pixels.length / 3);
}

/** Number of pixels that differ; all of them if the sizes do. */
export function changedPixels(a: Picture, b: Picture): number {
	if (a.width !== b.width || a.height !== b.height) return Math.max(a.pixels.length, b.pixels.length) / 3;
	let changed = 0;
	for (let i = 0; i < a.pixels.length; i += 3) {
		const same =
			a.pixels[i] === b.pixels[i] && a.pixels[i + 1] === b.pixels[i + 1] && a.pixels[i + 2] === b.pixels[i + 2];
		if (!same) changed++;
	}
	return changed;
}
