/** What the value of an allowed key may look like. A kind gives the value in one canonical spelling, or null where it is none of its own. Pure. */
import { parseColour } from "./colours.ts";

export interface ValueKind {
	/** Completes "expected …". */
	readonly expected: string;
	/** The value as it is written for the guest; null if it is not such a value. */
	readonly read: (text: string) => string | null;
}

/** No control characters, no invisible ones, and not quoted once more: what is written for the guest reads back as it is. */
export function isPlain(text: string): boolean {
	return !/[\p{C}\p{Zl}\p{Zp}]/u.test(text) && text.trim() === text && !(text.startsWith('"') && text.endsWith('"'));
}

function matching(expected: string, pattern: RegExp): ValueKind {
	return { expected, read: (text) => (pattern.test(text) ? text : null) };
}

export function word(...words: readonly string[]): ValueKind {
	return { expected: words.join(", "), read: (text) => (words.includes(text) ? text : null) };
}

/** Comma-separated words of a list, each also with `no-` in front. */
export function features(...words: readonly string[]): ValueKind {
	const known = new Set(words.flatMap((each) => [each, `no-${each}`]));
	return {
		expected: `true, false, or a list of ${words.join(", ")} (each also with no-)`,
		read: (text) => {
			if (text === "true" || text === "false") return text;
			const parts = text.split(",").map((part) => part.trim());
			return parts.every((part) => known.has(part)) ? parts.join(",") : null;
		},
	};
}

export const bool: ValueKind = {
	expected: "true or false",
	read: (text) => {
		if (["true", "t", "1"].includes(text)) return "true";
		return ["false", "f", "0"].includes(text) ? "false" : null;
	},
};

export function number(min: number, max: number): ValueKind {
	return {
		expected: `a number from ${min} to ${max}`,
		read: (text) => {
			if (!/^[+-]?(\d{1,12}(\.\d{0,9})?|\.\d{1,9})$/.test(text)) return null;
			const value = Number(text);
			return value >= min && value <= max ? String(value) : null;
		},
	};
}

export function whole(min: number, max: number): ValueKind {
	return {
		expected: `a whole number from ${min} to ${max}`,
		read: (text) => {
			if (!/^\d{1,15}$/.test(text)) return null;
			const value = Number(text);
			return value >= min && value <= max ? String(value) : null;
		},
	};
}

export const colour: ValueKind = { expected: "a colour", read: parseColour };

export function colourOr(...words: readonly string[]): ValueKind {
	return {
		expected: ["a colour", ...words].join(", "),
		read: (text) => (words.includes(text) ? text : parseColour(text)),
	};
}

/** `N=COLOUR`; Ghostty takes the number in other bases too, which nobody writes. */
export const paletteEntry: ValueKind = {
	expected: "N=COLOUR with N from 0 to 255",
	read: (text) => {
		const match = /^(\d{1,3})\s*=\s*(.+)$/.exec(text);
		const found = match?.[2] === undefined ? null : parseColour(match[2]);
		return match && found !== null && Number(match[1]) <= 255 ? `${Number(match[1])}=${found}` : null;
	},
};

/** A name, never a path: neither `/` nor what fontconfig's patterns are made of (`:`, `,`, `\`) is in it. */
const FONT_NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N} ._+&'()-]{0,127}$/u;
export const fontName: ValueKind = matching("the name of a font", FONT_NAME);
export const fontStyle: ValueKind = matching("the name of a style, default or false", FONT_NAME);

export const fontFeature: ValueKind = {
	expected: "OpenType features such as -calt or ss01",
	read: (text) => {
		const parts = text.split(",").map((part) => part.trim());
		const one = /^(?:[+-]?[A-Za-z0-9]{4}|[A-Za-z0-9]{4}(?:\s*=\s*|\s+)(?:\d{1,3}|on|off))$/;
		return parts.every((part) => one.test(part)) ? parts.join(", ") : null;
	},
};

export const fontVariation: ValueKind = matching("AXIS=NUMBER", /^[A-Za-z0-9]{4}\s*=\s*-?\d{1,5}(\.\d{1,4})?$/);

const POINT = "U\\+[0-9A-Fa-f]{1,6}";
const POINTS = `${POINT}(?:-${POINT})?`;
export const codepointMap: ValueKind = {
	expected: "U+XXXX[-U+YYYY][,…]=the name of a font",
	read: (text) => {
		const match = new RegExp(`^(${POINTS}(?:,\\s*${POINTS}){0,63})\\s*=\\s*(.+)$`).exec(text);
		if (!match?.[1] || !match[2] || !FONT_NAME.test(match[2])) return null;
		return `${match[1].replaceAll(/\s/g, "")}=${match[2]}`;
	},
};

/** Pixels or percent, as the `adjust-…` keys take them. */
export const adjustment: ValueKind = matching("a number of pixels, or a percentage", /^[+-]?\d{1,4}(\.\d{1,4})?%?$/);

/** `N` or `LEFT,RIGHT`. */
export const padding: ValueKind = {
	expected: "N or N,M",
	read: (text) => {
		const parts = text.split(",").map((part) => part.trim());
		return parts.length <= 2 && parts.every((part) => /^\d{1,4}$/.test(part)) ? parts.map(Number).join(",") : null;
	},
};

/** `N` or `precision:N,discrete:N`. */
export const scrollMultiplier: ValueKind = matching(
	"a number, or precision:N,discrete:N",
	/^(?:\d{1,5}(\.\d{1,4})?|(?:(?:precision|discrete):\d{1,5}(\.\d{1,4})?,?){1,2})$/,
);
