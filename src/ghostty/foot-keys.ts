/** Key bindings in the words of foot: single chords, for what foot has an action for. Pure. */
import { parseKeybind } from "./keybind.ts";

/** foot's actions, with the keys that they have by themselves (foot.ini(5), 1.21). */
const DEFAULTS: Readonly<Record<string, readonly string[]>> = {
	"clipboard-copy": ["Control+Shift+c", "XF86Copy"],
	"clipboard-paste": ["Control+Shift+v", "XF86Paste"],
	"primary-paste": ["Shift+Insert"],
	"font-increase": ["Control+plus", "Control+equal", "Control+KP_Add"],
	"font-decrease": ["Control+minus", "Control+KP_Subtract"],
	"font-reset": ["Control+0", "Control+KP_0"],
	"scrollback-up-page": ["Shift+Page_Up", "Shift+KP_Page_Up"],
	"scrollback-down-page": ["Shift+Page_Down", "Shift+KP_Page_Down"],
	"scrollback-home": [],
	"scrollback-end": [],
	"search-start": ["Control+Shift+r"],
	"prompt-prev": ["Control+Shift+z"],
	"prompt-next": ["Control+Shift+x"],
	fullscreen: [],
	noop: [],
};

/** Ghostty's, without a parameter; where one counts it is in the name. */
const ACTIONS: Readonly<Record<string, keyof typeof DEFAULTS>> = {
	copy_to_clipboard: "clipboard-copy",
	paste_from_clipboard: "clipboard-paste",
	paste_from_selection: "primary-paste",
	increase_font_size: "font-increase",
	decrease_font_size: "font-decrease",
	reset_font_size: "font-reset",
	scroll_page_up: "scrollback-up-page",
	scroll_page_down: "scrollback-down-page",
	scroll_to_top: "scrollback-home",
	scroll_to_bottom: "scrollback-end",
	start_search: "search-start",
	"jump_to_prompt:-1": "prompt-prev",
	"jump_to_prompt:1": "prompt-next",
	toggle_fullscreen: "fullscreen",
	ignore: "noop",
	unbind: "noop",
};

const MODIFIERS: Readonly<Record<string, string>> = {
	...{ ctrl: "Control", control: "Control", shift: "Shift", alt: "Mod1", opt: "Mod1", option: "Mod1" },
	...{ super: "Mod4", cmd: "Mod4", command: "Mod4" },
};

/** XKB's names of the keys that have names. */
const KEYS: Readonly<Record<string, string>> = {
	...{ page_up: "Page_Up", page_down: "Page_Down", home: "Home", end: "End", insert: "Insert", delete: "Delete" },
	...{ up: "Up", down: "Down", left: "Left", right: "Right", space: "space", tab: "Tab", escape: "Escape" },
	...{ arrow_up: "Up", arrow_down: "Down", arrow_left: "Left", arrow_right: "Right", enter: "Return" },
	...{ backspace: "BackSpace", plus: "plus", equal: "equal", minus: "minus", comma: "comma", period: "period" },
	...{ slash: "slash", semicolon: "semicolon", grave_accent: "grave", backquote: "grave", backslash: "backslash" },
	...{ left_bracket: "bracketleft", right_bracket: "bracketright", apostrophe: "apostrophe" },
	...{ zero: "0", one: "1", two: "2", three: "3", four: "4", five: "5", six: "6", seven: "7", eight: "8", nine: "9" },
	...{ "+": "plus", "=": "equal", "-": "minus", ",": "comma", ".": "period", "/": "slash", ";": "semicolon" },
	...{ "`": "grave", "[": "bracketleft", "]": "bracketright", "\\": "backslash", "'": "apostrophe" },
};

export interface FootKeys {
	/** Of foot's section `key-bindings`. */
	readonly lines: readonly string[];
	/** How many of the bindings foot cannot have. */
	readonly notShown: number;
}

/** The last binding of a key counts. foot forgets an action's own keys when it is given others: they are repeated. */
export function footKeys(bindings: readonly string[]): FootKeys {
	const byChord = new Map<string, keyof typeof DEFAULTS>();
	let cleared = false;
	let notShown = 0;
	for (const text of bindings) {
		if (text === "clear") {
			byChord.clear();
			cleared = true;
			continue;
		}
		const binding = parseKeybind(text);
		const chord = binding === null ? null : footChord(binding.trigger);
		const action = binding === null ? undefined : footAction(binding.action);
		if (chord === null || action === undefined) notShown++;
		else byChord.set(chord, action);
	}
	const lines: string[] = [];
	for (const [action, own] of Object.entries(DEFAULTS)) {
		const chords = [...byChord].filter(([, each]) => each === action).map(([chord]) => chord);
		const kept = cleared ? [] : own.filter((chord) => !byChord.has(chord));
		const all = [...chords, ...kept.filter((chord) => !chords.includes(chord))];
		const isChanged = chords.length > 0 || kept.length < own.length;
		if (isChanged) lines.push(`${action}=${all.join(" ") || "none"}`);
	}
	return { lines, notShown };
}

function footAction(action: string): keyof typeof DEFAULTS | undefined {
	const name = Object.hasOwn(ACTIONS, action) ? action : action.replace(/:.*/, "");
	return Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
}

/** Null for a sequence of chords, and for keys that have no name here. */
function footChord(trigger: string): string | null {
	if (trigger !== ">" && trigger.includes(">")) return null;
	const isPlus = trigger === "+" || trigger.endsWith("++");
	const parts = isPlus ? [...trigger.slice(0, -1).split("+").slice(0, -1), "+"] : trigger.split("+");
	const key = footKey(parts.at(-1) ?? "");
	const modifiers = parts.slice(0, -1).map((part) => (Object.hasOwn(MODIFIERS, part) ? MODIFIERS[part] : undefined));
	if (key === null || modifiers.includes(undefined)) return null;
	// In one order, whatever the order of writing: the same chord is one key of the map.
	const ordered = ["Control", "Shift", "Mod1", "Mod4"].filter((name) => modifiers.includes(name));
	return [...ordered, key].join("+");
}

function footKey(name: string): string | null {
	const bare = name.replace(/^physical:/, "");
	if (/^[a-z0-9]$/.test(bare)) return bare;
	const physical = /^Key([A-Z])$/.exec(bare)?.[1] ?? /^[Dd]igit_?(\d)$/.exec(bare)?.[1];
	if (physical !== undefined) return physical.toLowerCase();
	if (/^f([1-9]|1\d|2[0-4])$/.test(bare)) return bare.toUpperCase();
	return Object.hasOwn(KEYS, bare) ? (KEYS[bare] ?? null) : null;
}
