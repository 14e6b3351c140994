/**
 * Key bindings that may go into the guest: `[prefix:]trigger=action`. Actions come from a list. Not on it: what types into the shell
 * (`text:`, `csi:`, `esc:`: the text may be a command, or a password that somebody has put on a key), what writes files and opens
 * them, and what reaches beyond the window (`global:`). Copy and paste are on it: the clipboard is the guest's own. Pure.
 */
import type { ValueKind } from "./values.ts";

const NUMBER = /^-?\d{1,5}(\.\d{1,4})?$/;
const WHOLE = /^-?\d{1,6}$/;
/** A pattern for an action that takes a parameter, null for one without. */
type Parameter = RegExp | null;

const ACTIONS: ReadonlyMap<string, readonly Parameter[]> = new Map<string, readonly Parameter[]>([
	...(
		[
			...["ignore", "unbind", "reset", "select_all", "reset_font_size", "clear_screen", "reload_config", "quit"],
			...["scroll_to_top", "scroll_to_bottom", "scroll_to_selection", "scroll_page_up", "scroll_page_down"],
			...["new_window", "new_tab", "previous_tab", "next_tab", "last_tab", "toggle_tab_overview"],
			...["toggle_split_zoom", "equalize_splits", "close_surface", "close_window", "toggle_fullscreen"],
			...["paste_from_clipboard", "paste_from_selection", "copy_url_to_clipboard", "copy_title_to_clipboard"],
			...["start_search", "end_search", "search_selection", "toggle_readonly", "toggle_mouse_reporting"],
			...["toggle_command_palette", "toggle_background_opacity", "prompt_surface_title", "prompt_tab_title"],
			"end_key_sequence",
		] as const
	).map((name) => [name, [null]] as const),
	["copy_to_clipboard", [null, /^(plain|vt|html|mixed)$/]],
	["close_tab", [null, /^(this|other|right)$/]],
	["goto_tab", [/^\d{1,3}$/]],
	["move_tab", [WHOLE]],
	["new_split", [null, /^(right|down|left|up|auto)$/]],
	["goto_split", [/^(previous|next|up|down|left|right|top|bottom)$/]],
	["resize_split", [/^(up|down|left|right),\d{1,5}$/]],
	["goto_window", [/^(previous|next)$/]],
	["navigate_search", [/^(previous|next)$/]],
	["increase_font_size", [NUMBER]],
	["decrease_font_size", [NUMBER]],
	["set_font_size", [NUMBER]],
	["scroll_page_fractional", [NUMBER]],
	["scroll_page_lines", [WHOLE]],
	["scroll_to_row", [/^\d{1,6}$/]],
	["jump_to_prompt", [WHOLE]],
	["adjust_selection", [/^(left|right|up|down|page_up|page_down|home|end|beginning_of_line|end_of_line)$/]],
]);

const MODIFIER = /^(shift|ctrl|control|alt|opt|option|super|cmd|command)$/;
/** A name (`page_up`, `KeyA`), or one character. */
const KEY = /^(?:(?:physical:)?[A-Za-z0-9_]{2,32}|(?:physical:)?[^\s\p{C}])$/u;

export const keybind: ValueKind = {
	expected: "TRIGGER=ACTION with an action that neither types, nor writes, nor runs anything",
	read: (text) => {
		if (text === "clear") return text;
		const parts = parseKeybind(text);
		return parts === null ? null : `${parts.prefix}${parts.trigger}=${parts.action}`;
	},
};

export interface Binding {
	readonly prefix: string;
	readonly trigger: string;
	readonly action: string;
}

/** The first `=` parts trigger and action, unless it is itself the key: `ctrl+==increase_font_size:1`. */
export function parseKeybind(text: string): Binding | null {
	const prefix = /^(?:(?:all|unconsumed|performable):)*/.exec(text)?.[0] ?? "";
	const rest = text.slice(prefix.length);
	const first = rest.indexOf("=");
	for (const at of [first, first + 1]) {
		if (first < 0 || rest[at] !== "=") continue;
		const trigger = rest.slice(0, at).trim();
		const action = rest.slice(at + 1).trim();
		if (isTrigger(trigger) && isAllowedAction(action)) return { prefix, trigger, action };
	}
	return null;
}

/** `chain=` adds to the binding before it, which may have been left out. */
function isTrigger(text: string): boolean {
	if (text === "chain") return false;
	const chords = text.split(">");
	return chords.length <= 8 && chords.every(isChord);
}

function isChord(text: string): boolean {
	// The plus sign itself as the key.
	const isPlus = text === "+" || text.endsWith("++");
	const parts = isPlus ? [...text.slice(0, -1).split("+").slice(0, -1), "+"] : text.split("+");
	const key = parts.at(-1) ?? "";
	return parts.length <= 5 && parts.slice(0, -1).every((part) => MODIFIER.test(part)) && KEY.test(key);
}

function isAllowedAction(text: string): boolean {
	const colon = text.indexOf(":");
	const name = colon < 0 ? text : text.slice(0, colon);
	const parameter = colon < 0 ? null : text.slice(colon + 1);
	const allowed = ACTIONS.get(name) ?? [];
	return allowed.some((pattern) =>
		pattern === null ? parameter === null : parameter !== null && pattern.test(parameter),
	);
}

/** Why a binding stays out, in the words of its action; the action's parameter may be a secret and is not repeated. */
export function keybindRefusal(text: string): string {
	if (/^(?:[a-z]+:)*global:/.test(text)) return "a global key reaches beyond the window";
	const name = /=\s*([a-z_]{1,40})(?::|$)/.exec(text)?.[1] ?? "";
	if (/^(text|csi|esc|cursor_key)$/.test(name))
		return `${name} types into the shell, what may be a command or a secret`;
	if (/^write_/.test(name)) return `${name} writes a file and opens it or pastes its name`;
	if (ACTIONS.has(name)) return "it is not understood";
	return name === "" ? "it is not understood" : `${name} is not on the list of actions that are taken over`;
}
