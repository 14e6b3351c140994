/** Untrusted text (guest output, tool output) made safe to print: no control sequences reach the user's terminal. */

// A string that has no end hides no more than its line.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about.
const ESCAPE_SEQUENCES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]*[0-~])/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above; newline and tab stay.
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

export function stripControls(text: string): string {
	return text.replace(/\r\n/g, "\n").replace(ESCAPE_SEQUENCES, "").replace(CONTROLS, "");
}

/** Strips a stream, in which an escape sequence may be cut in two: what could be the beginning of one is held back. */
export class LineStripper {
	#pending = "";

	push(text: string): string {
		const all = this.#pending + text;
		const end = all.lastIndexOf("\n") + 1;
		// A line that never ends must not grow without bound.
		const cut = all.length - end > LINE_CHARS_MAX ? all.length : end;
		this.#pending = all.slice(cut);
		return stripControls(all.slice(0, cut));
	}

	/** What is left of a last line without its newline. */
	flush(): string {
		const rest = stripControls(this.#pending);
		this.#pending = "";
		return rest;
	}
}

const LINE_CHARS_MAX = 64 * 1024;
