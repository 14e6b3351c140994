import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatMemoryMiB, parseMemoryMiB } from "../../../src/config/size.ts";
import { EXIT, Fault } from "../../../src/errors.ts";

function messageOf(text: string | number): string {
	try {
		parseMemoryMiB(text);
	} catch (error) {
		if (error instanceof Fault && error.exitCode === EXIT.usage) return error.message;
		throw error;
	}
	return "accepted";
}

describe("parseMemoryMiB", () => {
	test.each([
		["8G", 8192],
		["8GiB", 8192],
		["8gb", 8192],
		["8 GiB", 8192],
		[" 8G ", 8192],
		["4096", 4096],
		[4096, 4096],
		["512M", 512],
		["1.5G", 1536],
		["0.5T", 524_288],
		["2048K", 2],
		["1T", 1_048_576],
		["0", 0],
		["1.5000G", 1536],
	] as const)("%p", (text, sizeMiB) => {
		expect(parseMemoryMiB(text)).toBe(sizeMiB);
	});

	test("says what is wrong", () => {
		const wrong = ["8X", "8iB", "8B", "8GG", "G", "", "-4G", "+4G", "0x10", "1e3", "1.M", "4,5G", "8 G B", "8Г"];
		const parts = ["1K", "1.2M", "0.1G", "1.0000000000001G", "999999999999999T", "9".repeat(500), "8\u001b[31m"];
		const numbers = [1.5, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e21];
		expect([...wrong, ...parts, ...numbers].map(messageOf).join("\n")).toMatchInlineSnapshot(`
		  "8X: unknown unit "X"; write for example 4096 (MiB), 512M or 8G
		  8iB: unknown unit "iB"; write for example 4096 (MiB), 512M or 8G
		  8B: unknown unit "B"; write for example 4096 (MiB), 512M or 8G
		  8GG: unknown unit "GG"; write for example 4096 (MiB), 512M or 8G
		  G: not a size; write for example 4096 (MiB), 512M or 8G
		  : not a size; write for example 4096 (MiB), 512M or 8G
		  -4G: not a size; write for example 4096 (MiB), 512M or 8G
		  +4G: not a size; write for example 4096 (MiB), 512M or 8G
		  0x10: not a size; write for example 4096 (MiB), 512M or 8G
		  1e3: not a size; write for example 4096 (MiB), 512M or 8G
		  1.M: not a size; write for example 4096 (MiB), 512M or 8G
		  4,5G: not a size; write for example 4096 (MiB), 512M or 8G
		  8 G B: not a size; write for example 4096 (MiB), 512M or 8G
		  8Г: unknown unit "Г"; write for example 4096 (MiB), 512M or 8G
		  1K: not a whole number of MiB
		  1.2M: not a whole number of MiB
		  0.1G: not a whole number of MiB
		  1.0000000000001G: not a whole number of MiB
		  999999999999999T: too large
		  999999999999999999999999999999999999999999999999999999999999…: not a size; write for example 4096 (MiB), 512M or 8G
		  8\\u{1b}[31m: not a size; write for example 4096 (MiB), 512M or 8G
		  1.5: not a whole number of MiB
		  -1: not a size; write for example 4096 (MiB), 512M or 8G
		  NaN: not a size; write for example 4096 (MiB), 512M or 8G
		  Infinity: not a size; write for example 4096 (MiB), 512M or 8G
		  1e+21: not a size; write for example 4096 (MiB), 512M or 8G"
		`);
	});

	test("is exact for every binary fraction", () => {
		fc.assert(
			fc.property(fc.nat({ max: 2 ** 20 }), fc.nat({ max: 10 }), fc.constantFrom("G", "T"), (count, bits, unit) => {
				// Ten decimals write a multiple of 2^-10 exactly.
				const text = `${(count / 2 ** bits).toFixed(10)}${unit}`;
				const unitMiB = unit === "G" ? 2 ** 10 : 2 ** 20;
				expect(parseMemoryMiB(text)).toBe((count * unitMiB) / 2 ** bits);
			}),
		);
	});

	test("reads back what formatMemoryMiB writes", () => {
		fc.assert(
			fc.property(fc.nat({ max: 2 ** 30 }), fc.constantFrom(1, 1024, 1024 ** 2), (count, unit) => {
				const sizeMiB = (count % 1000) * unit;
				expect(parseMemoryMiB(formatMemoryMiB(sizeMiB))).toBe(sizeMiB);
			}),
		);
	});

	test("gives a safe whole number or a Fault for any text", () => {
		fc.assert(
			fc.property(fc.oneof(fc.string(), fc.stringMatching(/^\d*\.?\d*[kmgtibKMGTIB]{0,3}$/)), (text) => {
				try {
					const sizeMiB = parseMemoryMiB(text);
					expect(Number.isSafeInteger(sizeMiB) && sizeMiB >= 0).toBe(true);
				} catch (error) {
					expect(error).toBeInstanceOf(Fault);
				}
			}),
		);
	});
});
