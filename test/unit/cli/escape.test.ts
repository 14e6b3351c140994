import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { EscapeFilter } from "../../../src/cli/escape.ts";

/** Types `text` (one character a byte) in pieces, until the user is let go. */
function type(text: string, cuts: readonly number[] = []) {
	const filter = new EscapeFilter();
	const bytes = Buffer.from(text, "latin1");
	const ends = [...cuts.map((each) => each % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
	let passed = "";
	let from = 0;
	for (const end of ends) {
		const { pass, disconnect } = filter.push(bytes.subarray(from, end));
		passed += pass.toString("latin1");
		if (disconnect) return { passed, disconnect };
		from = end;
	}
	return { passed, disconnect: false };
}

const cuts = fc.array(fc.nat(), { maxLength: 12 });
const anyBytes = fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes).toString("latin1"));
const keys = fc.oneof(
	fc.string({ unit: fc.constantFrom("~", ".", "\r", "\n", "a", "\x1b", "\xff"), maxLength: 30 }),
	anyBytes,
);
/** Nothing in it is an escape, and its end is the middle of a line. */
const plain = keys.map((text) => text.replaceAll(/(^|[\r\n])~/g, "$1x~"));
/** Ends with a new line. */
const before = fc.oneof(
	fc.constant(""),
	fc.tuple(plain, fc.constantFrom("\r", "\n", "\r\n")).map((parts) => parts.join("")),
);

test("~. at the beginning of a line lets go, however the bytes are cut", () => {
	fc.assert(
		fc.property(before, keys, cuts, (start, rest, where) => {
			expect(type(`${start}~.${rest}`, where)).toEqual({ passed: start, disconnect: true });
		}),
	);
});

test("without a tilde at the beginning of a line everything passes, however it is cut", () => {
	fc.assert(
		fc.property(plain, cuts, (text, where) => {
			expect(type(text, where)).toEqual({ passed: text, disconnect: false });
		}),
	);
});

test("~~ is one tilde, and ~ before anything else is itself", () => {
	const other = fc.nat(255).map((byte) => String.fromCharCode(byte));
	fc.assert(
		fc.property(before, other, cuts, (start, char, where) => {
			fc.pre(char !== ".");
			expect(type(`${start}~${char}`, where)).toEqual({
				passed: char === "~" ? `${start}~` : `${start}~${char}`,
				disconnect: false,
			});
		}),
	);
});

test("cuts make no difference, whatever is typed", () => {
	fc.assert(
		fc.property(keys, cuts, (text, where) => {
			expect(type(text, where)).toEqual(type(text));
		}),
	);
});

describe("in words", () => {
	test.each([
		["~.", "", true],
		["ls\r~.", "ls\r", true],
		["ls~.", "ls~.", false],
		// After ~~ the line has begun.
		["~~.", "~.", false],
		["~~~.", "~~.", false],
		// A tilde alone on its line is followed by a line start.
		["~\r~.", "~\r", true],
		[" ~.", " ~.", false],
		// Held back until it is clear what it means.
		["~", "", false],
	])("%j", (typed, passed, disconnect) => {
		expect(type(typed)).toEqual({ passed, disconnect });
	});
});
