/** The reduced configuration in the words of foot, which stands in for Ghostty where the image has none. Pure. */
import { footKeys } from "./foot-keys.ts";
import { type Reduced, valuesOf } from "./reduce.ts";

/** foot's settings of the image (vm-assets/guest/overlay), which these are put over. */
const BASE = "/usr/share/virtualghost/foot.ini";
/** The base's own. */
const BASE_FONT = "DejaVu Sans Mono";
const BASE_FONT_SIZE = 12;
/** Ghostty counts the bytes of its cells, foot counts lines: a line of 80 cells with their attributes takes about this much. */
const BYTES_A_LINE = 1000;
const LINES_MAX = 1_000_000;

interface FootOptions {
	/** Whether the guest has this font; the image's own, and those that the host hands over. */
	readonly hasFont: (family: string) => boolean;
}

export interface FootConfig {
	readonly text: string;
	/** Keys that foot has no word for, or whose value it cannot have. */
	readonly notShown: readonly string[];
}

export function toFoot(reduced: Pick<Reduced, "settings">, options: FootOptions): FootConfig {
	const shown = new Set<string>();
	const values = (key: string) => {
		shown.add(key);
		return valuesOf(reduced, key);
	};
	const value = (key: string) => values(key).at(-1);
	const bindings = values("keybind");
	const keys = footKeys(bindings);
	const sections: (readonly [string, readonly string[]])[] = [
		["", [`include=${BASE}`]],
		["main", [...fonts(values, value, shown, options), ...padding(value), ...boldIsBright(value)]],
		["scrollback", scrollback(value("scrollback-limit"))],
		["mouse", switched("hide-when-typing", value("mouse-hide-while-typing"))],
		["cursor", cursor(value, shown)],
		["key-bindings", keys.lines],
		["colors", colours(values, value, shown)],
	];
	const text = sections
		.filter(([, lines]) => lines.length > 0)
		.map(([name, lines]) => `${name === "" ? "" : `[${name}]\n`}${lines.join("\n")}\n`)
		.join("\n");
	const notShown = [...new Set(reduced.settings.map(({ key }) => key))].filter((key) => !shown.has(key));
	if (keys.notShown > 0) notShown.push(`keybind (${keys.notShown} of ${bindings.length})`);
	return { text, notShown };
}

type Values = (key: string) => string[];
type Value = (key: string) => string | undefined;

/** A font that the guest lacks would be replaced by one with letters of different widths: it is left out instead. */
function fonts(values: Values, value: Value, shown: Set<string>, { hasFont }: FootOptions): string[] {
	const size = value("font-size");
	const lines: string[] = [];
	for (const face of ["", "-bold", "-italic", "-bold-italic"]) {
		const asked = values(`font-family${face}`);
		const families = asked.filter(hasFont);
		if (families.length < asked.length) shown.delete(`font-family${face}`);
		const style = value(`font-style${face}`);
		const isStyle = style !== undefined && style !== "default" && style !== "false";
		const wanted = face === "" ? families.length > 0 || size !== undefined || isStyle : families.length > 0;
		if (!wanted) {
			if (isStyle) shown.delete(`font-style${face}`);
			continue;
		}
		const attributes = `:size=${size ?? BASE_FONT_SIZE}${isStyle ? `:style=${escapePattern(style)}` : ""}`;
		const names = families.length > 0 ? families : [BASE_FONT];
		// The first is the terminal's font, the others fill what it lacks. The image's own comes last: it has cells of one width.
		const all = face === "" && !names.includes(BASE_FONT) ? [...names, BASE_FONT] : names;
		lines.push(`font${face}=${all.map((name) => escapePattern(name) + attributes).join(",")}`);
	}
	return lines;
}

/** A name in a fontconfig pattern. */
function escapePattern(name: string): string {
	return name.replaceAll(/[\\:,-]/g, "\\$&");
}

function padding(value: Value): string[] {
	const [x, y] = [value("window-padding-x"), value("window-padding-y")].map((text) => text?.split(",")[0]);
	// Ghostty's own is 2.
	return x === undefined && y === undefined ? [] : [`pad=${x ?? 2}x${y ?? 2}`];
}

function boldIsBright(value: Value): string[] {
	const bright = value("bold-is-bright") === "true" || value("bold-color") === "bright";
	return bright ? ["bold-text-in-bright=yes"] : [];
}

function scrollback(limit: string | undefined): string[] {
	if (limit === undefined) return [];
	return [`lines=${Math.min(LINES_MAX, Math.round(Number(limit) / BYTES_A_LINE))}`];
}

function switched(name: string, value: string | undefined): string[] {
	return value === undefined ? [] : [`${name}=${value === "true" ? "yes" : "no"}`];
}

const CURSOR_STYLES: Readonly<Record<string, string>> = {
	block: "block",
	block_hollow: "hollow",
	bar: "beam",
	underline: "underline",
};

/** A colour of a single cell's is no colour for foot. */
const hex = (text: string | undefined) => (text?.startsWith("#") ? text.slice(1) : undefined);

function cursor(value: Value, shown: Set<string>): string[] {
	const style = CURSOR_STYLES[value("cursor-style") ?? ""];
	const [text, colour] = [hex(value("cursor-text")), hex(value("cursor-color"))];
	const lines = style === undefined ? [] : [`style=${style}`];
	lines.push(...switched("blink", value("cursor-style-blink")));
	// foot takes both or none.
	const background = hex(value("background"));
	if (colour !== undefined) lines.push(`color=${text ?? background ?? "282c34"} ${colour}`);
	else for (const key of ["cursor-text", "cursor-color"]) if (value(key) !== undefined) shown.delete(key);
	return lines;
}

function colours(values: Values, value: Value, shown: Set<string>): string[] {
	const lines: string[] = [];
	for (const key of ["background", "foreground"]) {
		const colour = hex(value(key));
		if (colour !== undefined) lines.push(`${key}=${colour}`);
	}
	for (const entry of values("palette")) {
		const [number = "", colour = ""] = entry.split("=");
		const index = Number(number);
		const name = index < 8 ? `regular${index}` : index < 16 ? `bright${index - 8}` : number;
		lines.push(`${name}=${hex(colour)}`);
	}
	const [front, back] = [hex(value("selection-foreground")), hex(value("selection-background"))];
	if (front !== undefined && back !== undefined)
		lines.push(`selection-foreground=${front}`, `selection-background=${back}`);
	else
		for (const key of ["selection-foreground", "selection-background"]) if (value(key) !== undefined) shown.delete(key);
	return lines;
}
