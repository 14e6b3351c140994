/**
 * The keys of Ghostty's configuration that are taken over into the guest: what is about looks and keys. Everything else stays out, a key
 * that some later Ghostty invents included. docs/decisions/ghostty-config.md
 */
import { keybind } from "./keybind.ts";
import {
	adjustment,
	bool,
	codepointMap,
	colour,
	colourOr,
	features,
	fontFeature,
	fontName,
	fontStyle,
	fontVariation,
	number,
	padding,
	paletteEntry,
	scrollMultiplier,
	type ValueKind,
	whole,
	word,
} from "./values.ts";

export interface AllowedKey {
	readonly kind: ValueKind;
	/** Each line adds one; otherwise the last line counts. */
	readonly isList: boolean;
	/** A theme may set it. */
	readonly isColour: boolean;
}

const one = (kind: ValueKind): AllowedKey => ({ kind, isList: false, isColour: false });
const list = (kind: ValueKind): AllowedKey => ({ kind, isList: true, isColour: false });
const colourOf = (kind: ValueKind): AllowedKey => ({ kind, isList: false, isColour: true });

/** The terminal's own memory in the guest; more would be the guest's whole memory. */
const SCROLLBACK_BYTES_MAX = 1_000_000_000;
const FACES = ["", "-bold", "-italic", "-bold-italic"] as const;
const ADJUSTED = [
	"cell-width",
	"cell-height",
	"font-baseline",
	"underline-position",
	"underline-thickness",
	"strikethrough-position",
	"strikethrough-thickness",
	"overline-position",
	"overline-thickness",
	"cursor-thickness",
	"cursor-height",
	"box-thickness",
	"icon-height",
];

const FONTS: Readonly<Record<string, AllowedKey>> = {
	...Object.fromEntries(
		FACES.flatMap((face) => [
			[`font-family${face}`, list(fontName)],
			[`font-style${face}`, one(fontStyle)],
			[`font-variation${face}`, list(fontVariation)],
		]),
	),
	"font-size": one(number(4, 144)),
	"font-feature": list(fontFeature),
	"font-synthetic-style": one(features("bold", "italic", "bold-italic")),
	"font-codepoint-map": list(codepointMap),
	"font-thicken": one(bool),
	"font-thicken-strength": one(whole(0, 255)),
	"font-shaping-break": one(features("cursor")),
	"freetype-load-flags": one(features("hinting", "force-autohint", "monochrome", "autohint", "light")),
	"grapheme-width-method": one(word("legacy", "unicode")),
	...Object.fromEntries(ADJUSTED.map((name) => [`adjust-${name}`, one(adjustment)])),
};

const CELL = ["cell-foreground", "cell-background"] as const;

const COLOURS: Readonly<Record<string, AllowedKey>> = {
	background: colourOf(colour),
	foreground: colourOf(colour),
	palette: { kind: paletteEntry, isList: true, isColour: true },
	"cursor-color": colourOf(colourOr(...CELL)),
	"cursor-text": colourOf(colourOr(...CELL)),
	"selection-background": colourOf(colourOr(...CELL)),
	"selection-foreground": colourOf(colourOr(...CELL)),
	"search-background": colourOf(colourOr(...CELL)),
	"search-foreground": colourOf(colourOr(...CELL)),
	"search-selected-background": colourOf(colourOr(...CELL)),
	"search-selected-foreground": colourOf(colourOr(...CELL)),
	"bold-color": colourOf(colourOr("bright")),
	"bold-is-bright": colourOf(bool),
	"cursor-invert-fg-bg": colourOf(bool),
	"selection-invert-fg-bg": colourOf(bool),
	"cursor-opacity": colourOf(number(0, 1)),
	"faint-opacity": colourOf(number(0, 1)),
	"minimum-contrast": colourOf(number(1, 21)),
	"unfocused-split-opacity": colourOf(number(0.15, 1)),
	"unfocused-split-fill": colourOf(colour),
	"split-divider-color": colourOf(colour),
	"background-opacity": one(number(0, 1)),
	"background-opacity-cells": one(bool),
	"alpha-blending": one(word("native", "linear", "linear-corrected")),
	"window-padding-color": one(word("background", "extend", "extend-always")),
};

const FEEL: Readonly<Record<string, AllowedKey>> = {
	"cursor-style": one(word("block", "bar", "underline", "block_hollow")),
	"cursor-style-blink": one(bool),
	"cursor-click-to-move": one(bool),
	"mouse-hide-while-typing": one(bool),
	"mouse-shift-capture": one(word("true", "false", "always", "never")),
	"mouse-scroll-multiplier": one(scrollMultiplier),
	"mouse-reporting": one(bool),
	"click-repeat-interval": one(whole(0, 10_000)),
	"focus-follows-mouse": one(bool),
	"selection-clear-on-typing": one(bool),
	"selection-clear-on-copy": one(bool),
	"scroll-to-bottom": one(features("keystroke", "output")),
	"scrollback-limit": one(whole(0, SCROLLBACK_BYTES_MAX)),
	"window-padding-x": one(padding),
	"window-padding-y": one(padding),
	"window-padding-balance": one(bool),
	"window-theme": one(word("auto", "system", "light", "dark", "ghostty")),
	"resize-overlay": one(word("always", "never", "after-first")),
	"shell-integration": one(word("none", "detect", "bash", "elvish", "fish", "nushell", "zsh")),
	"shell-integration-features": one(features("cursor", "sudo", "title", "ssh-env", "ssh-terminfo", "path")),
	keybind: list(keybind),
};

export const ALLOWED: ReadonlyMap<string, AllowedKey> = new Map(Object.entries({ ...FONTS, ...COLOURS, ...FEEL }));

/** Where the reason of a key that stays out is more than "not on the list". The first that fits counts. */
const REFUSALS: readonly (readonly [RegExp, string])[] = [
	[/^(command|initial-command|command-palette-entry)$/, "it runs a program, or may"],
	[/^(input|enquiry-response)$/, "it types into the terminal"],
	[/^env$/, "it sets the environment of programs, which may hold secrets"],
	[
		/^(custom-shader|background-image|gtk-custom-css|bell-audio|notify-on-command-finish)/,
		"it reads a file or runs something",
	],
	[
		/^(clipboard-|copy-on-select|title-report|osc-|app-notifications|desktop-notifications)/,
		"it reaches beyond the terminal",
	],
	[
		/^(working-directory|config-default-files|class|x11-instance-name|term|abnormal-command-exit-runtime)$/,
		"it is about the host's programs and folders",
	],
	[/^(link|link-)/, "it opens something"],
	[
		/^(gtk-|macos-|linux-|adw-|quick-terminal-|window-|fullscreen$|maximize$|title$)/,
		"it is about a window on the host",
	],
	[
		/^(quit-|confirm-close|auto-update|initial-window|undo-timeout|wait-after-command)/,
		"the machine's one window decides that",
	],
];

/** Why a key stays out. */
export function refusalOf(key: string): string {
	if (!isKeyLike(key)) return "it is no setting";
	return REFUSALS.find(([pattern]) => pattern.test(key))?.[1] ?? "it is not on the list of what is taken over";
}

/** Keys are shown to the user; a file that was no configuration at all must not be printed line by line. */
export function isKeyLike(key: string): boolean {
	return /^[a-z][a-z0-9-]{0,47}$/.test(key);
}
