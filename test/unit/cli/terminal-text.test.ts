import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatFault } from "../../../src/cli/format-fault.ts";
import { LineStripper, stripControls } from "../../../src/cli/terminal-text.ts";
import { Fault } from "../../../src/errors.ts";

test("control sequences are taken out, text stays", () => {
	expect(stripControls("a\x1b[31mred\x1b[0m\x1b]0;title\x07b\r\nc\td\x9b1m\x00")).toBe("aredb\nc\td1m");
	expect(stripControls("\x1b]52;c;ZXZpbA==\x1b\\x")).toBe("x");
	expect(stripControls("ok \u202eevil")).toBe("ok evil");
});

test("no input leaves a control character behind", () => {
	const nasty = fc.string({
		unit: fc.constantFrom("\x1b", "[", "]", "P", "\x07", "\x9b", "0", ";", "m", "\\", "a", "\r", "\n", "\u202e"),
	});
	fc.assert(
		fc.property(fc.oneof(nasty, fc.string({ unit: "binary" })), (text) => {
			// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
			expect(stripControls(text)).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]/);
		}),
	);
});

test("a fault says what, why, what to do, and where to look", () => {
	const fault = new Fault("It broke", {
		why: "a reason",
		fix: "do this",
		tail: "line 1\n\x1b[2Jline 2",
		log: "/l",
		exitCode: 2,
	});
	expect(formatFault(fault)).toEqual({
		text: "virtualghost: It broke\n  why: a reason\n  try: do this\n  last lines:\n  | line 1\n  | line 2\n  log: /l",
		exitCode: 2,
	});
	expect(formatFault(new TypeError("x")).text).toStartWith("virtualghost: this is a defect of virtualghost");
});

describe("LineStripper", () => {
	const UNITS = [
		"\x1b",
		"[",
		"]",
		"P",
		"\x07",
		"\x9b",
		"0",
		";",
		"m",
		"\\",
		"a",
		"\r",
		"\n",
		"\r\n",
		"\u202e",
		"ü",
		"👻",
	];
	const nasty = fc.string({ unit: fc.constantFrom(...UNITS), maxLength: 60 });
	const anyText = fc.oneof(nasty, fc.string({ unit: "binary" }));
	const cuts = fc.array(fc.nat(), { maxLength: 10 });

	function feed(text: string, where: readonly number[]): string {
		const stripper = new LineStripper();
		const ends = [...where.map((each) => each % (text.length + 1)).sort((a, b) => a - b), text.length];
		const pieces = ends.map((end, i) => stripper.push(text.slice(ends[i - 1] ?? 0, end)));
		return pieces.join("") + stripper.flush();
	}

	test("cut anywhere, a text is what its lines are", () => {
		fc.assert(
			fc.property(anyText, cuts, (text, where) => {
				const lines = text.split(/(?<=\n)/);
				expect(feed(text, where)).toBe(lines.map(stripControls).join(""));
			}),
		);
	});

	test("cut anywhere, a text is what it is whole, where no control string goes over a line's end", () => {
		// An OSC, DCS, SOS, PM or APC ends at the end of its line in a stream; a whole text is searched for its end.
		// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
		const texts = anyText.map((text) => text.replaceAll(/\x1b[\]PX^_]/g, "\x1b["));
		fc.assert(
			fc.property(texts, cuts, (text, where) => {
				expect(feed(text, where)).toBe(stripControls(text));
			}),
		);
	});

	test("flushing twice says nothing twice", () => {
		const stripper = new LineStripper();
		expect(stripper.push("a\nb\x1b[3")).toBe("a\n");
		expect(stripper.flush()).toBe("b3");
		expect(stripper.flush()).toBe("");
	});

	test("a line without end is let out in pieces, and its control characters are not", () => {
		const stripper = new LineStripper();
		const piece = `${"x".repeat(997)}\x1b\x9b\x00`;
		let out = "";
		for (let pushed = piece.length; pushed <= 1_000_000; pushed += piece.length) {
			out += stripper.push(piece);
			// What is kept back is bounded.
			expect(pushed - (out.length / 997) * 1000).toBeLessThanOrEqual(65 * 1024);
		}
		expect(out + stripper.flush()).toBe("x".repeat(997_000));
	});
});

test("an unfinished control string in a tail hides the lines behind it", () => {
	const { text } = formatFault(new Fault("It broke", { tail: "one\n\x1b]0;title\ntwo", log: "/l" }));
	expect(text).toBe("virtualghost: It broke\n  last lines:\n  | one\n  | \n  | two\n  log: /l");
});

test("the Arabic letter mark and the line separators go too, as in errors.ts", () => {
	expect(stripControls("a\u061c\u2028\u2029b")).toBe("ab");
});
