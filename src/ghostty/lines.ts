/** The lines of Ghostty's configuration language: `key = value`, `#` comments on lines of their own, one pair of quotes around a value. Pure. */

/** One `key = value` of a file. */
export interface Line {
	/** As written: nothing has judged it yet. */
	readonly key: string;
	/** Null where the line has no `=`. Empty means: back to the default. */
	readonly value: string | null;
	/** From 1. */
	readonly number: number;
}

/** Ghostty itself refuses longer lines (its own limit, in bytes; ours counts characters, which is no more than that). */
export const LINE_CHARS_MAX = 4096;

/** Only a line feed ends a line; the carriage return of a Windows editor is white space at the end. */
export function parseLines(text: string): Line[] {
	const lines: Line[] = [];
	for (const [index, raw] of text
		.replace(/^\uFEFF/, "")
		.split("\n")
		.entries()) {
		const line = trim(raw);
		if (line === "" || line.startsWith("#")) continue;
		const equals = line.indexOf("=");
		const number = index + 1;
		if (equals < 0) lines.push({ key: line, value: null, number });
		else lines.push({ key: trim(line.slice(0, equals)), value: unquote(trim(line.slice(equals + 1))), number });
	}
	return lines;
}

/** Space, tab and carriage return: no other white space counts for Ghostty. */
function trim(text: string): string {
	return text.replace(/^[ \t\r]+|[ \t\r]+$/g, "");
}

/** Quotes count only around the whole value; there are no escapes. */
export function unquote(value: string): string {
	return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
}
