/** Sizes of memory as people write them. Binary throughout: guest memory comes in powers of two, so `8GB` is 8 GiB too. */
import { EXIT, Fault } from "../errors.ts";
import { quoted } from "./diagnostics.ts";

const EXAMPLE = "write for example 4096 (MiB), 512M or 8G";

/** KiB in one of each unit. The empty unit is MiB, as in QEMU's `-m`. */
const UNIT_KIB: Readonly<Record<string, bigint>> = {
	"": 1n << 10n,
	K: 1n,
	M: 1n << 10n,
	G: 1n << 20n,
	T: 1n << 30n,
};

/** Digits enough for every size that exists; the bound keeps the arithmetic below from being fed megabytes. */
const SIZE = /^(\d{1,15})(?:\.(\d{1,15}))?\s*(\p{L}*)$/u;

/**
 * Reads `8G`, `8GiB`, `512M`, `1.5G`, or a bare number of MiB. The result is a whole number of MiB; anything else throws
 * a `Fault` that says why.
 */
export function parseMemoryMiB(text: string | number): number {
	const shown = typeof text === "number" ? String(text) : quoted(text.trim()).slice(1, -1);
	const fail = (why: string): never => {
		throw new Fault(`${shown}: ${why}`, { exitCode: EXIT.usage });
	};
	// String(1e21) is not digits, and 4096.5 is read like "4096.5": one path for both types.
	const match = SIZE.exec(String(text).trim());
	if (match === null) return fail(`not a size; ${EXAMPLE}`);
	const [, whole = "", fraction = "", unit = ""] = match;
	const unitKiB = UNIT_KIB[unit.toUpperCase().replace(/(?<=^[KMGT])I?B$/, "")];
	if (unitKiB === undefined) return fail(`unknown unit ${quoted(unit)}; ${EXAMPLE}`);

	// In whole numbers, since 0.1 and the like have no exact binary form.
	const numerator = BigInt(whole + fraction) * unitKiB;
	const denominator = 10n ** BigInt(fraction.length) * 1024n;
	if (numerator % denominator !== 0n) return fail("not a whole number of MiB");
	const sizeMiB = numerator / denominator;
	if (sizeMiB > Number.MAX_SAFE_INTEGER) return fail("too large");
	return Number(sizeMiB);
}

/** The shortest exact spelling, for messages: `512M`, `8G`, `16T`. */
export function formatMemoryMiB(sizeMiB: number): string {
	if (sizeMiB !== 0 && sizeMiB % (1024 * 1024) === 0) return `${sizeMiB / (1024 * 1024)}T`;
	if (sizeMiB !== 0 && sizeMiB % 1024 === 0) return `${sizeMiB / 1024}G`;
	return `${sizeMiB}M`;
}
