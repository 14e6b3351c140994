/** From the collected files to what the guest gets: settings in one canonical spelling, and the list of what was left out. Pure. */
import { type Collected, type Dropped, INCLUDED_FILES_MAX, type SourceFile } from "./collect.ts";
import { mix, parseColour } from "./colours.ts";
import { keybindRefusal } from "./keybind.ts";
import { ALLOWED, type AllowedKey, isKeyLike, refusalOf } from "./keys.ts";
import { LINE_CHARS_MAX, type Line } from "./lines.ts";
import { isPlain } from "./values.ts";

export interface Setting {
	readonly key: string;
	readonly value: string;
}

export interface Reduced {
	/** In the order of writing: scalars once, lists in their order. */
	readonly settings: readonly Setting[];
	readonly dropped: readonly Dropped[];
}

/** What the network of a machine leads to; the word comes from the network policy. */
export type TrustWord = "none" | "internet" | "host";

export interface ReduceOptions {
	/** In place of the configuration's own. */
	readonly fontSize?: number | null;
	/** A theme for this run: over every colour of the configuration, which a theme in the file is not. */
	readonly theme?: Collected["theme"];
	/** Tints the background by what the machine may reach. */
	readonly trust?: TrustWord | null;
}

/** Lines of all files together that are looked at; far beyond what anybody writes. */
const LINES_MAX = 20_000;
/** Entries of one list, such as key bindings. */
const LIST_MAX = 512;
/** Ghostty's own default, and the stand-in's. */
const BACKGROUND = "#282c34";
/** Green: nothing gets out. Amber: the internet. Red: the host itself. */
const TRUST: Readonly<Record<TrustWord, string>> = { none: "#1b8a3a", internet: "#b8860b", host: "#c01c28" };
const TINT_SHARE = 0.22;

/** What a configuration may have and a theme may not, and is no setting of its own here. */
const NOT_IN_THEMES = ["theme", "config-file"];

type State = Map<string, string[]>;

export function reduce(collected: Collected, options: ReduceOptions = {}): Reduced {
	const state: State = new Map();
	const dropped: Dropped[] = [...collected.dropped];
	const theme = options.theme === undefined ? collected.theme : null;
	if (theme !== null) applyTheme(state, theme, dropped);
	for (const file of collected.files.slice(0, INCLUDED_FILES_MAX)) applyFile(state, file, dropped);
	if (options.theme) {
		for (const key of colourKeys()) state.delete(key);
		applyTheme(state, options.theme, dropped);
	}
	if (options.fontSize != null) state.set("font-size", [String(options.fontSize)]);
	if (options.trust != null) tint(state, options.trust);
	const settings = [...state].flatMap(([key, values]) => values.map((value) => ({ key, value })));
	return { settings, dropped };
}

function colourKeys(): string[] {
	return ["theme", ...[...ALLOWED].filter(([, { isColour }]) => isColour).map(([key]) => key)];
}

/** A name that only the guest may know is all that is ever written for `theme`. */
function applyTheme(state: State, theme: NonNullable<Collected["theme"]>, dropped: Dropped[]): void {
	if ("name" in theme) state.set("theme", [theme.name]);
	else applyFile(state, theme, dropped, true);
}

function applyFile(state: State, file: SourceFile, dropped: Dropped[], isTheme = false): void {
	for (const line of file.lines.slice(0, LINES_MAX)) {
		// collect.ts has followed these.
		if (!isTheme && (line.key === "config-file" || line.key === "theme")) continue;
		const why = applyLine(state, line, isTheme);
		if (why === null) continue;
		const key = isKeyLike(line.key) ? line.key : "(no setting)";
		dropped.push({ key, where: `${file.path}:${line.number}`, why });
	}
}

/** Why the line has no effect, or null. */
function applyLine(state: State, { key, value, number }: Line, isTheme: boolean): string | null {
	const allowed = ALLOWED.get(key);
	if (isTheme && (allowed ? !allowed.isColour : NOT_IN_THEMES.includes(key))) return "a theme gives colours only";
	if (allowed === undefined) return refusalOf(key);
	if (value === "") {
		state.delete(key);
		return null;
	}
	// Without a value a switch is on.
	const text = value ?? "true";
	if (text.length > LINE_CHARS_MAX) return `line ${number} is too long`;
	const read = isPlain(text) ? allowed.kind.read(text) : null;
	if (read === null || !isPlain(read))
		return key === "keybind" ? keybindRefusal(text) : `expected ${allowed.kind.expected}`;
	return put(state, key, read, allowed);
}

function put(state: State, key: string, value: string, { isList }: AllowedKey): string | null {
	const before = state.get(key) ?? [];
	if (!isList) state.set(key, [value]);
	else if (key === "keybind" && value === "clear") state.set(key, [value]);
	else {
		// Once more means: at its new place. Of the palette's entries and the keys only the last of each counts anyway.
		const rest = before.filter((each) => subjectOf(key, each) !== subjectOf(key, value));
		if (rest.length >= LIST_MAX) return `there are more than ${LIST_MAX} of them`;
		state.set(key, [...rest, value]);
	}
	return null;
}

/** What an entry of a list is about: a colour's number; else the entry itself. */
function subjectOf(key: string, value: string): string {
	return key === "palette" ? value.slice(0, value.indexOf("=")) : value;
}

function tint(state: State, trust: TrustWord): void {
	const own = state.get("background")?.[0];
	const background = (own === undefined ? null : parseColour(own)) ?? BACKGROUND;
	state.set("background", [mix(background, TRUST[trust], TINT_SHARE)]);
}

/** A file for the guest's Ghostty; empty without settings. */
export function writeConfig({ settings }: Pick<Reduced, "settings">): string {
	return settings.map(({ key, value }) => `${key} = ${value}\n`).join("");
}

/** The values of a key. */
export function valuesOf({ settings }: Pick<Reduced, "settings">, key: string): string[] {
	return settings.filter((each) => each.key === key).map((each) => each.value);
}
