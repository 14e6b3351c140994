import { expect, test } from "bun:test";
import fc from "fast-check";
import { formatFault } from "../../../src/cli/format-fault.ts";
import { stripControls } from "../../../src/cli/terminal-text.ts";
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
