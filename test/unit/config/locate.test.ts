import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parse } from "smol-toml";
import type { Position } from "../../../src/config/diagnostics.ts";
import { LineIndex, locate } from "../../../src/config/locate.ts";

/** Where `text` has the marker, by the plain way of counting. */
function positionAt(text: string, offset: number): Position {
	const lines = text.slice(0, offset).split("\n");
	return { line: lines.length, column: (lines.at(-1) ?? "").length + 1 };
}

describe("locate", () => {
	const text = [
		"# [no]",
		"vm . memory = '8X' # = 3",
		'"quo\\u0074ed key".x = 1',
		'long = """',
		'[no] "" \\""" no = 1',
		'"""""',
		"list = [ # ]",
		'  "]", [1, 2], { no = "}" },',
		"]",
		"gpu = { mode = 1, deep.er = { x = [ ',' ] }, # }",
		"  last = 2 }",
		"[ a . 'b' ]",
		"c=1979-05-27 07:32:00",
		"[[aot]]",
		"x = 1",
		"[[aot]]",
		"x = 2",
	].join("\n");
	const locations = locate(text);

	test("the text is valid", () => {
		expect(Object.keys(parse(text))).toEqual(["vm", "quoted key", "long", "list", "gpu", "a", "aot"]);
	});

	test.each([
		["vm", 2, 1, 2, 1],
		["vm/memory", 2, 6, 2, 15],
		["quoted key/x", 3, 19, 3, 23],
		["long", 4, 1, 4, 8],
		["list", 7, 1, 7, 8],
		["gpu", 10, 1, 10, 7],
		["gpu/mode", 10, 9, 10, 16],
		["gpu/deep", 10, 19, 10, 19],
		["gpu/deep/er", 10, 24, 10, 29],
		["gpu/deep/er/x", 10, 31, 10, 35],
		["gpu/last", 11, 3, 11, 10],
		["a", 12, 3, 12, 3],
		["a/b", 12, 7, 12, 7],
		["a/b/c", 13, 1, 13, 3],
		["aot", 14, 3, 14, 3],
		["aot/x", 15, 1, 15, 5],
	])("%s", (path, keyLine, keyColumn, valueLine, valueColumn) => {
		expect(locations.find(path.split("/"))).toEqual({
			key: { line: keyLine, column: keyColumn },
			value: { line: valueLine, column: valueColumn },
		});
	});

	test("and nothing else", () => {
		expect(locations.all).toHaveLength(17);
	});
});

test("LineIndex agrees with plain counting", () => {
	fc.assert(
		fc.property(fc.string({ unit: fc.constantFrom("a", "\n", "\r", "é") }), fc.nat(), (text, n) => {
			const offset = n % (text.length + 1);
			expect(new LineIndex(text).position(offset)).toEqual(positionAt(text, offset));
		}),
	);
});

const TOKENS = [
	"[",
	"]",
	"[[",
	"]]",
	"a",
	"b-c",
	".",
	"=",
	'"',
	'"""',
	"'",
	"'''",
	"{",
	"}",
	",",
	"\n",
	"\r\n",
	"\\",
	"#",
];
const soup = fc
	.array(fc.oneof(fc.constantFrom(...TOKENS, " ", "1", "true", "\ufeff", "\u2028", "\0"), fc.string({ maxLength: 3 })))
	.map((tokens) => tokens.join(""));

test("on any text it ends without throwing, and its positions are inside the text", () => {
	fc.assert(
		fc.property(fc.oneof(soup, fc.string({ unit: "binary" })), (text) => {
			const lines = text.split("\n");
			for (const { key, value } of locate(text).all) {
				for (const { line, column } of [key, value]) {
					const length = lines[line - 1]?.length;
					expect(length).toBeDefined();
					expect(column).toBeGreaterThanOrEqual(1);
					expect(column).toBeLessThanOrEqual((length ?? 0) + 1);
				}
			}
		}),
		{ numRuns: 2000 },
	);
});

test("depth costs neither the stack nor the square of it", () => {
	const deep = 100_000;
	const texts = [
		"a={".repeat(deep),
		`a=${"[".repeat(deep)}`,
		`${"a.".repeat(deep)}a=1`,
		`[${"a.".repeat(deep)}a]\nb=1`,
	];
	const start = performance.now();
	for (const text of texts) expect(locate(text).all.length).toBeLessThanOrEqual(101);
	expect(performance.now() - start).toBeLessThan(5000);
});

/** A generated document: pieces of text, of which some are the start of a key or of a value at a path. */
type Piece = string | { readonly mark: "key" | "value"; readonly path: readonly string[] };

/** Keys are numbered, so that none comes twice; the writing of a key is drawn. */
const keyStyle = fc.constantFrom("bare", "literal", "basic", "escaped", "odd");

function writeKey(name: string, style: string): { text: string; name: string } {
	switch (style) {
		case "literal":
			return { text: `'${name}'`, name };
		case "basic":
			return { text: `"${name}"`, name };
		case "escaped":
			return { text: `"\\u006b${name.slice(1)}\\""`, name: `${name}"` };
		case "odd":
			return { text: `'${name}. =#]}"'`, name: `${name}. =#]}"` };
		default:
			return { text: name, name };
	}
}

const plainValue = fc.constantFrom(
	"1",
	"-1.5e3",
	"true",
	"1979-05-27 07:32:00",
	'"a # b = [c] {d} \\" e"',
	"'a\\'",
	'""',
	"''",
	'"""\n[k0]\nk1 = 1 # "" \\""" \\\\"""',
	"'''\n'' k2 = 1\n[k0]\\'''''",
	'""""a\n"""""',
	'"""a""""',
	"[ '''a'''', ']' ]",
	"[]",
	"[ 1,\n # ] ' \"\n 2, [3], ']', { x = ']', y = '''\n]''' }, ]",
);
const space = fc.constantFrom("", " ", "\t", "   ");
const lineEnd = fc.constantFrom("\n", "\r\n", " # [k3] ' \" k4 = {\n", "\n\n# k5 = 1\n", " \n");

interface EntryShape {
	readonly styles: readonly string[];
	readonly spaces: readonly [string, string, string];
	readonly value: string | readonly EntryShape[];
	readonly end: string;
}

const { entry } = fc.letrec<{ entry: EntryShape }>((tie) => ({
	entry: fc.record({
		styles: fc.array(keyStyle, { minLength: 1, maxLength: 3 }),
		spaces: fc.tuple(space, space, space),
		value: fc.oneof({ maxDepth: 3 }, plainValue, fc.array(tie("entry"), { maxLength: 3 })),
		end: lineEnd,
	}),
}));
const sectionShape = fc.record({
	styles: fc.array(keyStyle, { minLength: 1, maxLength: 3 }),
	isArray: fc.boolean(),
	entries: fc.array(entry, { maxLength: 4 }),
	end: lineEnd,
});

class Writer {
	readonly pieces: Piece[] = [];
	#count = 0;

	key(table: readonly string[], styles: readonly string[], between: string): string[] {
		const path = [...table];
		for (const [index, style] of styles.entries()) {
			if (index > 0) this.pieces.push(`${between}.${between}`);
			const { text, name } = writeKey(`k${this.#count++}`, style);
			path.push(name);
			this.pieces.push({ mark: "key", path: [...path] }, text);
		}
		return path;
	}

	entry(table: readonly string[], { styles, spaces, value }: EntryShape): void {
		const [before, after, between] = spaces;
		this.pieces.push(before);
		const path = this.key(table, styles, between);
		this.pieces.push(`${after}=${before}`, { mark: "value", path });
		if (typeof value === "string") {
			this.pieces.push(value);
			return;
		}
		this.pieces.push("{");
		for (const [index, inner] of value.entries()) {
			if (index > 0) this.pieces.push(`${inner.spaces[0]},${inner.end}`);
			this.entry(path, inner);
		}
		this.pieces.push(`${after}}`);
	}

	/** The text, and where each marked piece starts in it. */
	finish(): { text: string; marks: { mark: "key" | "value"; path: readonly string[]; offset: number }[] } {
		let text = "";
		const marks = [];
		for (const piece of this.pieces) {
			if (typeof piece === "string") text += piece;
			else marks.push({ ...piece, offset: text.length });
		}
		return { text, marks };
	}
}

test("in generated documents every position is exact", () => {
	fc.assert(
		fc.property(fc.array(entry, { maxLength: 4 }), fc.array(sectionShape, { maxLength: 4 }), (entries, sections) => {
			const writer = new Writer();
			for (const each of entries) {
				writer.entry([], each);
				writer.pieces.push(each.end);
			}
			for (const { styles, isArray, entries: inner, end } of sections) {
				writer.pieces.push(isArray ? "[[ " : "[");
				const path = writer.key([], styles, " ");
				writer.pieces.push(isArray ? " ]]" : "]", end);
				for (const each of inner) {
					writer.entry(path, each);
					writer.pieces.push(each.end);
				}
			}
			const { text, marks } = writer.finish();
			// The generator must write what TOML is, or the property below would hold for something else.
			parse(text);
			const locations = locate(text);
			for (const { mark, path, offset } of marks) {
				expect(locations.find(path)?.[mark]).toEqual(positionAt(text, offset));
			}
			expect(locations.all).toHaveLength(marks.filter(({ mark }) => mark === "key").length);
		}),
		{ numRuns: 500 },
	);
});

function pathsOf(value: unknown, path: readonly string[] = []): string[][] {
	if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Date) return [];
	return Object.entries(value).flatMap(([name, inner]) => [[...path, name], ...pathsOf(inner, [...path, name])]);
}

test("whatever smol-toml accepts, every key in it is found", () => {
	const part = fc.constantFrom("a", "b", '"c"', "'d'", "'#'");
	const key = fc.array(part, { minLength: 1, maxLength: 2 }).map((parts) => parts.join("."));
	const line = fc.oneof(
		fc.tuple(key, plainValue).map(([name, value]) => `${name} = ${value}`),
		fc.tuple(key, key).map(([name, inner]) => `${name} = { ${inner} = 1 }`),
		key.map((name) => `[${name}]`),
		key.map((name) => `[[${name}]]`),
		soup,
	);
	let accepted = 0;
	fc.assert(
		fc.property(fc.array(line, { maxLength: 4 }), (lines) => {
			const text = lines.join("\n");
			let root: unknown;
			try {
				root = parse(text);
			} catch {
				return;
			}
			accepted++;
			const locations = locate(text);
			for (const path of pathsOf(root)) expect(locations.find(path)).toBeDefined();
		}),
		{ numRuns: 3000 },
	);
	expect(accepted).toBeGreaterThan(300);
});
