/** With a real bash, which is what reads these lines in the guest. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { quoteArgument, quoteCommand } from "../../../src/ssh/quote.ts";

const bytes = fc.oneof(
	fc.uint8Array({ min: 1, maxLength: 40 }),
	fc.string({ unit: fc.constantFrom(..."'\"\\$`!~*?#&;|<>(){}[]=% \t\n\r\x01\x7fax07"), maxLength: 12 }),
	fc.string({ unit: "binary", maxLength: 12 }).map((text) => text.replaceAll("\0", "")),
	fc.constantFrom("", "-n", "--", "{a,b}", "$'x'", "~root", "a=b", "\\000", "%s", "\u2028", "👻"),
);
const lists = fc.array(fc.array(bytes, { maxLength: 6 }), { minLength: 1, maxLength: 30 });

/** How many words bash makes of each line, and which; all lines in one go, since a process costs milliseconds. */
function readByBash(lines: readonly string[], locale: string): Buffer {
	const script = ['show() { printf \'%s\\0\' "$#" "$@"; }', ...lines.map((line) => `show ${line}`)].join("\n");
	const { stdout, stderr } = spawnSync("/bin/bash", ["-c", script], { env: { LC_ALL: locale } });
	expect(stderr.toString()).toBe("");
	return stdout;
}

test.each(["C", "C.UTF-8"])("any arguments arrive in bash byte for byte (%s)", (locale) => {
	fc.assert(
		fc.property(lists, (commands) => {
			const words = commands.flatMap((argv) => [String(argv.length), ...argv]);
			const expected = Buffer.concat(words.flatMap((word) => [Buffer.from(word), Buffer.of(0)]));
			const seen = readByBash(commands.map(quoteCommand), locale);
			expect(seen.toString("latin1")).toBe(expected.toString("latin1"));
		}),
		{ numRuns: 40 },
	);
});

test("the result is one line of printable ASCII", () => {
	fc.assert(
		fc.property(bytes, (argument) => {
			expect(quoteArgument(argument)).toMatch(/^[ -~]+$/);
		}),
	);
});

test("what needs no quotes gets none, so that a line can be read", () => {
	expect(quoteCommand(["ls", "-la", "/usr/bin", "a b", "it's", "", "ü"])).toBe(
		"ls -la /usr/bin 'a b' 'it'\\''s' '' $'\\303\\274'",
	);
});

test("no argument can hold a NUL", () => {
	for (const argument of ["\0", "a\0b", new Uint8Array([0x61, 0])]) {
		expect(() => quoteArgument(argument)).toThrow(RangeError);
		expect(() => quoteCommand(["echo", argument])).toThrow(RangeError);
	}
});
