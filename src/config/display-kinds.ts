/** Kinds of value that only the window has. */
import { z } from "zod";
import { describeValue, type ValueKind } from "./kinds.ts";

/** Narrower than this no terminal is of use; the upper bound is virtio-gpu's. */
const PIXELS_MIN = 320;
const PIXELS_MAX = 16_384;

/** How the window opens: a size in pixels, or all of the screen. */
export type WindowStart = "auto" | "fullscreen" | "maximized" | `${number}x${number}`;

/** Null for a text that is no size within the bounds. */
export function parseWindowSize(text: string): { readonly width: number; readonly height: number } | null {
	const found = /^(\d{1,5})x(\d{1,5})$/.exec(text);
	const [width, height] = [Number(found?.[1]), Number(found?.[2])];
	const fits = (pixels: number) => pixels >= PIXELS_MIN && pixels <= PIXELS_MAX;
	return found && fits(width) && fits(height) ? { width, height } : null;
}

function isWindowStart(text: string): text is WindowStart {
	return text === "auto" || text === "fullscreen" || text === "maximized" || parseWindowSize(text) !== null;
}

function textKind<T extends string>(kind: {
	readonly placeholder: string;
	readonly expected: string;
	readonly accepts: (text: string) => text is T;
}): ValueKind<T> {
	const { placeholder, expected, accepts } = kind;
	const error = (issue: { input?: unknown }) => `expected ${expected}, got ${describeValue(issue.input)}`;
	return {
		type: "string",
		placeholder,
		choices: null,
		isPath: false,
		expected,
		schema: z.custom<T>((value) => typeof value === "string" && accepts(value), { error }),
		fromText: (text) => text,
	};
}

export function windowStart(): ValueKind<WindowStart> {
	return textKind({
		placeholder: "WxH|fullscreen|maximized",
		expected: `a size in pixels such as 1280x800 (${PIXELS_MIN} to ${PIXELS_MAX} each way), fullscreen, maximized or auto`,
		accepts: isWindowStart,
	});
}

/** One word of the kernel's command line, and names of XKB's only: it goes there as it is. */
const KEYMAP = /^[a-z][a-z0-9_,()-]{0,63}(:[A-Za-z0-9_,()-]{0,63}(:[A-Za-z0-9_,:()-]{0,127})?)?$/;

export function isKeymap(text: string): text is string {
	return KEYMAP.test(text);
}

/** `layout[:variant[:options]]` with XKB's names, or "auto". */
export function keymap(): ValueKind<string> {
	return textKind({
		placeholder: "layout[:variant[:options]]",
		expected: "a keyboard layout as XKB names it, such as de, us:intl or fr:bepo:caps:escape, or auto",
		accepts: isKeymap,
	});
}
