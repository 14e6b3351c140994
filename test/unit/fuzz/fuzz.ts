/**
 * What every fuzz test shares: how hard to try, how to spoil good input, and how to see that memory does not grow.
 *
 * CI tries a few hundred times. `just fuzz 600` gives each property 600 seconds; a failure prints the seed and the path that
 * repeat it: `FUZZ_SEED=… FUZZ_PATH=… bun test test/unit/fuzz -t NAME`.
 */
import fc from "fast-check";

const seconds = Number(process.env.FUZZ_SECONDS ?? 0);
const seed = process.env.FUZZ_SEED;
const path = process.env.FUZZ_PATH;

/** Of each test, with time to spare for shrinking. */
export const FUZZ_TIMEOUT_MS = seconds * 1000 + 60_000;

/** Parameters of a property that CI runs `runs` times. */
export function effort(runs: number): fc.Parameters<unknown> {
	const repeat = { ...(seed ? { seed: Number(seed) } : {}), ...(path ? { path } : {}) };
	if (seconds === 0) return { numRuns: runs, ...repeat };
	// A limit that ends the property is no failure.
	const limit = { interruptAfterTimeLimit: seconds * 1000, markInterruptAsFailure: false };
	return { numRuns: 2 ** 31 - 1, ...limit, ...repeat };
}

type Edit = (bytes: Buffer) => Buffer;

const at = (bytes: Buffer, where: number) => Math.floor(where * bytes.length);

const edit: fc.Arbitrary<Edit> = fc
	.record({
		kind: fc.constantFrom("flip", "set", "cut", "drop", "double", "insert", "number"),
		where: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
		length: fc.nat(40),
		value: fc.uint8Array({ minLength: 1, maxLength: 12 }),
		number: fc.constantFrom(0, 1, 0x7f, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff),
	})
	.map(({ kind, where, length, value, number }) => (bytes) => {
		const from = at(bytes, where);
		const parts = (...all: Uint8Array[]) => Buffer.concat(all);
		const [before, after] = [bytes.subarray(0, from), bytes.subarray(from)];
		const copy = Buffer.from(bytes);
		switch (kind) {
			case "flip":
				if (copy.length > 0) copy[from] = (copy[from] ?? 0) ^ (1 << ((value[0] ?? 0) % 8));
				return copy;
			case "set":
				copy.set(value.subarray(0, copy.length - from), from);
				return copy;
			case "number":
				if (from + 4 <= copy.length) copy.writeUInt32BE(number, from);
				return copy;
			case "cut":
				return Buffer.from(before);
			case "drop":
				return parts(before, after.subarray(length));
			case "double":
				return parts(before, after.subarray(0, length), after);
			default:
				return parts(before, value, after);
		}
	});

/** A member of `corpus`, spoilt in up to five places; sometimes whole, sometimes nothing like it. */
export function spoilt(corpus: readonly (string | Uint8Array)[]): fc.Arbitrary<Buffer> {
	const good = fc.constantFrom(...corpus).map((each): Buffer => Buffer.from(each as Uint8Array));
	const changed = fc
		.tuple(good, fc.array(edit, { maxLength: 5 }))
		.map(([bytes, edits]) => edits.reduce((now: Buffer, each) => each(now), bytes));
	const noise = fc.uint8Array({ maxLength: 300 }).map((bytes): Buffer => Buffer.from(bytes));
	return fc.oneof({ weight: 8, arbitrary: changed }, { weight: 1, arbitrary: noise });
}

/** The bytes in pieces, cut at `cuts` (0-1). */
export function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
	const ends = [...cuts.map((cut) => at(bytes, cut)).sort((a, b) => a - b), bytes.length];
	return ends.map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end));
}

export const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), { maxLength: 6 });

/** MiB by which the process has grown over `work`. */
export async function growth(work: () => Promise<void> | void): Promise<number> {
	Bun.gc(true);
	const before = process.memoryUsage().rss;
	await work();
	Bun.gc(true);
	return (process.memoryUsage().rss - before) / 1024 / 1024;
}

/** Fails where something that has to end does not. */
export async function ends<T>(work: Promise<T>, milliseconds = 10_000): Promise<T> {
	let timer: ReturnType<typeof setTimeout> | undefined;
	const late = new Promise<never>((_resolve, reject) => {
		timer = setTimeout(() => reject(new Error(`it had not ended after ${milliseconds} ms`)), milliseconds);
	});
	try {
		return await Promise.race([work, late]);
	} finally {
		clearTimeout(timer);
	}
}
