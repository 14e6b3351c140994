import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { TerminalModes } from "ssh2";
import { applyModes, TERMIOS_BYTES } from "../../../agent/termios.ts";

const FLAGS = (
	"IGNPAR PARMRK INPCK ISTRIP INLCR IGNCR ICRNL IUCLC IXON IXANY IXOFF IMAXBEL IUTF8 OPOST OLCUC ONLCR OCRNL ONOCR " +
	"ONLRET PARENB PARODD ISIG ICANON XCASE ECHO ECHOE ECHOK ECHONL NOFLSH TOSTOP ECHOCTL ECHOKE PENDIN IEXTEN"
).split(" ");
const CHARACTERS =
	"VINTR VQUIT VERASE VKILL VEOF VSWTCH VSTART VSTOP VSUSP VEOL VREPRINT VDISCARD VWERASE VLNEXT VEOL2".split(" ");
/** RFC 4254 has them, Linux has not, or a pseudo-terminal has no use for them. */
const WITHOUT_COUNTERPART = ["VDSUSP", "VFLUSH", "VSTATUS", "CS7", "CS8", "TTY_OP_ISPEED", "TTY_OP_OSPEED"];

const ZEROS = new Uint8Array(TERMIOS_BYTES);
const ONES = new Uint8Array(TERMIOS_BYTES).fill(0xff);
const apply = (termios: Uint8Array, modes: Record<string, number>) => applyModes(termios, modes as TerminalModes);
/** Places of the bits that differ. */
function changed(before: Uint8Array, after: Uint8Array): number[] {
	const bits = [...before].flatMap((byte, i) => Array.from({ length: 8 }, (_, bit) => [byte, after[i] ?? 0, bit, i]));
	return bits.filter(([a = 0, b = 0, bit = 0]) => ((a ^ b) >> bit) & 1).map(([, , bit = 0, i = 0]) => i * 8 + bit);
}

const termios = fc.uint8Array({ minLength: TERMIOS_BYTES, maxLength: TERMIOS_BYTES });
const modes = fc.dictionary(
	fc.constantFrom(...FLAGS, ...CHARACTERS, ...WITHOUT_COUNTERPART, "NONSENSE"),
	fc.oneof(fc.nat(255), fc.nat(0xffffffff)),
);

describe("flags", () => {
	test.each(FLAGS)("%s is one bit of its own, set and cleared", (name) => {
		const set = apply(ZEROS, { [name]: 1 });
		expect(changed(ZEROS, set).length).toBe(1);
		expect(changed(ONES, apply(ONES, { [name]: 0 }))).toEqual(changed(ZEROS, set));
		expect(apply(ZEROS, { [name]: 0 })).toEqual(ZEROS);
		// Any number but 0 is true.
		expect(apply(ZEROS, { [name]: 0xffffffff })).toEqual(set);
	});

	test("no two share a bit, and none reaches beyond the flag words", () => {
		const all = FLAGS.flatMap((name) => changed(ZEROS, apply(ZEROS, { [name]: 1 })));
		expect(new Set(all).size).toBe(FLAGS.length);
		expect(Math.max(...all)).toBeLessThan(16 * 8);
	});

	test("they lie where the kernel has them", () => {
		const word = (name: string, at: number) => new DataView(apply(ZEROS, { [name]: 1 }).buffer).getUint32(at, true);
		expect([word("ICRNL", 0), word("IUTF8", 0)]).toEqual([0o400, 0o40000]);
		expect([word("OPOST", 4), word("ONLCR", 4)]).toEqual([0o1, 0o4]);
		expect([word("PARENB", 8), word("PARODD", 8)]).toEqual([0o400, 0o1000]);
		expect([word("ICANON", 12), word("ECHO", 12), word("IEXTEN", 12)]).toEqual([0o2, 0o10, 0o100000]);
	});
});

describe("characters", () => {
	test("each has its byte, in the kernel's order", () => {
		const order = [
			"VINTR",
			"VQUIT",
			"VERASE",
			"VKILL",
			"VEOF",
			null,
			null,
			"VSWTCH",
			"VSTART",
			"VSTOP",
			"VSUSP",
			"VEOL",
		];
		const places = [...order, "VREPRINT", "VDISCARD", "VWERASE", "VLNEXT", "VEOL2"];
		for (const name of CHARACTERS) {
			const expected = new Uint8Array(ZEROS);
			expected[17 + places.indexOf(name)] = 0x7f;
			expect([name, apply(ZEROS, { [name]: 0x7f })]).toEqual([name, expected]);
		}
	});

	test("255 is none, which the kernel calls 0; of a larger number the last byte counts", () => {
		expect(apply(ONES, { VINTR: 255 })[17]).toBe(0);
		expect(apply(ONES, { VINTR: 0 })[17]).toBe(0);
		expect(apply(ZEROS, { VINTR: 0x103 })[17]).toBe(3);
	});
});

test("what Linux has no counterpart for changes nothing", () => {
	for (const name of [...WITHOUT_COUNTERPART, "NONSENSE", "vintr", ""]) {
		expect([name, apply(ONES, { [name]: 0 })]).toEqual([name, ONES]);
		expect([name, apply(ZEROS, { [name]: 1 })]).toEqual([name, ZEROS]);
	}
});

test("the client's modes stay when they are applied again, and the input is never touched", () => {
	fc.assert(
		fc.property(termios, modes, (before, wanted) => {
			const copy = new Uint8Array(before);
			const once = apply(before, wanted);
			expect(before).toEqual(copy);
			expect(once.length).toBe(TERMIOS_BYTES);
			expect(apply(once, wanted)).toEqual(once);
		}),
	);
});

test("a part of a larger buffer is read from its own beginning", () => {
	const large = new Uint8Array(TERMIOS_BYTES + 8).fill(0xff);
	expect(apply(large.subarray(8), { ICRNL: 0 })).toEqual(apply(ONES, { ICRNL: 0 }));
});
