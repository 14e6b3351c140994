/**
 * Where the keys and values of a TOML text are. smol-toml 1.9 knows positions only of syntax errors, not of what it has
 * parsed, so this walks the text a second time.
 *
 * It relies on the text having been accepted by smol-toml. On any other text it must not throw and must end, and what it
 * finds may be nonsense.
 */
import { parse } from "smol-toml";
import type { Position } from "./diagnostics.ts";

export interface Location {
	/** The first mention of this key: its own part of a dotted key or of a `[header]`. */
	readonly key: Position;
	/** The value; for a table that has none of its own, the same as `key`. */
	readonly value: Position;
}

/** Locations by path. A path is the keys from the root; arrays are not entered. */
export class Locations {
	readonly #byPath = new Map<string, Location>();

	find(path: readonly string[]): Location | undefined {
		return this.#byPath.get(JSON.stringify(path));
	}

	/** The first mention stays: `[vm]` before `[vm.sub]`. */
	add(path: readonly string[], location: Location): void {
		const id = JSON.stringify(path);
		if (!this.#byPath.has(id)) this.#byPath.set(id, location);
	}

	get all(): readonly Location[] {
		return [...this.#byPath.values()];
	}
}

/** Turns offsets into positions. Lines end with LF; a CR before it belongs to the line, as in smol-toml. */
export class LineIndex {
	readonly #starts = [0];

	constructor(text: string) {
		for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) this.#starts.push(at + 1);
	}

	position(offset: number): Position {
		let low = 0;
		let high = this.#starts.length;
		while (high - low > 1) {
			const middle = (low + high) >> 1;
			if ((this.#starts[middle] ?? 0) <= offset) low = middle;
			else high = middle;
		}
		return { line: low + 1, column: offset - (this.#starts[low] ?? 0) + 1 };
	}
}

interface Segment {
	readonly name: string;
	readonly offset: number;
}

/**
 * Keys and inline tables deeper than this are passed over as a whole. No key of ours is that deep, and a key of half a
 * million parts would take as many paths of that length.
 */
const DEPTH_MAX = 100;

export function locate(text: string): Locations {
	return new Walker(text).walk();
}

class Walker {
	readonly #text: string;
	readonly #lines: LineIndex;
	readonly #found = new Locations();
	#at = 0;

	constructor(text: string) {
		this.#text = text;
		this.#lines = new LineIndex(text);
	}

	walk(): Locations {
		let table: readonly string[] = [];
		this.#skip(/[\s\ufeff]|#[^\n]*/y);
		while (this.#at < this.#text.length) {
			if (this.#peek() === "[") {
				this.#skip(/\[/y);
				table = this.#recordKey([], this.#readKey());
			} else {
				this.#readEntry(table, 0);
			}
			// Past the rest of the line. On a well-formed text that is a bracket or a comment, and here is where progress
			// is certain on any other.
			this.#skip(/[^\n]/y);
			this.#skip(/\s|#[^\n]*/y);
		}
		return this.#found;
	}

	/** `a.b = value`. False where it isn't one. */
	#readEntry(table: readonly string[], depth: number): boolean {
		const segments = this.#readKey();
		if (segments.length === 0 || this.#peek() !== "=") return false;
		this.#at++;
		this.#skip(/[ \t]/y);
		const path = this.#recordKey(table, segments, this.#at);
		if (this.#peek() === "{" && depth < DEPTH_MAX) this.#readInlineTable(path, depth + 1);
		else this.#skipValue();
		return true;
	}

	#readInlineTable(path: readonly string[], depth: number): void {
		this.#at++;
		for (;;) {
			// Newlines and comments are allowed between the entries since TOML 1.1.
			this.#skip(/[\s,]|#[^\n]*/y);
			if (this.#peek() === "}") {
				this.#at++;
				return;
			}
			if (!this.#readEntry(path, depth)) return;
		}
	}

	/** A bare, quoted or dotted key with the space around it. Empty where there is none. */
	#readKey(): Segment[] {
		const segments: Segment[] = [];
		for (;;) {
			this.#skip(/[ \t]/y);
			const offset = this.#at;
			const char = this.#peek();
			if (char === '"' || char === "'") {
				this.#skipString();
				segments.push({ name: unquote(this.#text.slice(offset, this.#at)), offset });
			} else {
				this.#skip(/[\w-]/y);
				if (this.#at === offset) return [];
				segments.push({ name: this.#text.slice(offset, this.#at), offset });
			}
			this.#skip(/[ \t]/y);
			if (this.#peek() !== ".") return segments;
			this.#at++;
		}
	}

	/** Notes each part of the key; the last one has the value. Returns the whole path. */
	#recordKey(table: readonly string[], segments: readonly Segment[], valueOffset?: number): readonly string[] {
		if (table.length > DEPTH_MAX) return table;
		const path = [...table];
		for (const [index, { name, offset }] of segments.entries()) {
			path.push(name);
			if (path.length > DEPTH_MAX) return path;
			const key = this.#lines.position(offset);
			const isLast = index === segments.length - 1;
			const value = isLast && valueOffset !== undefined ? this.#lines.position(valueOffset) : key;
			this.#found.add(path, { key, value });
		}
		return path;
	}

	/** Passes over any value, up to what ends it: a comma or bracket that isn't its own, a comment, the line's end. */
	#skipValue(): void {
		let depth = 0;
		while (this.#at < this.#text.length) {
			const char = this.#peek();
			if (char === '"' || char === "'") {
				this.#skipString();
				continue;
			}
			if (depth === 0 && /[\n#,\]}]/.test(char)) return;
			if (char === "#") {
				this.#skip(/[^\n]/y);
				continue;
			}
			if (char === "[" || char === "{") depth++;
			else if (char === "]" || char === "}") depth--;
			this.#at++;
		}
	}

	/** Any of the four kinds of string. An unfinished one ends with its line, or with the text where it may span lines. */
	#skipString(): void {
		const quote = this.#peek();
		const isMultiline = this.#text.startsWith(quote.repeat(3), this.#at);
		const escaper = quote === '"' ? "\\" : "";
		const delimiter = isMultiline ? quote.repeat(3) : quote;
		this.#at += delimiter.length;
		while (this.#at < this.#text.length) {
			const char = this.#peek();
			if (char === escaper) {
				// Behind a backslash may stand a quote, and in a multi-line string a newline.
				this.#at = Math.min(this.#at + 2, this.#text.length);
			} else if (this.#text.startsWith(delimiter, this.#at)) {
				this.#at += delimiter.length;
				// The string itself may end in one or two quotes, right before the closing three.
				for (let extra = 0; isMultiline && extra < 2 && this.#peek() === quote; extra++) this.#at++;
				return;
			} else if (char === "\n" && !isMultiline) {
				return;
			} else {
				this.#at++;
			}
		}
	}

	#peek(): string {
		return this.#text[this.#at] ?? "";
	}

	/** Passes over everything that the sticky pattern matches from here on, as often as it does. */
	#skip(pattern: RegExp): void {
		pattern.lastIndex = this.#at;
		while (pattern.test(this.#text)) this.#at = pattern.lastIndex;
	}
}

/** What a quoted key says. smol-toml reads it, so that both agree on every escape. */
function unquote(raw: string): string {
	try {
		const { key } = parse(`key = ${raw}`);
		return typeof key === "string" ? key : raw;
	} catch {
		return raw;
	}
}
