/** Connecting by vsock, against made-up system calls. With a real kernel: test/vm/vfio/vsock.test.ts. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Fault } from "../../../src/errors.ts";
import { connectDescriptor } from "../../../src/network/vsock.ts";
import { VSOCK_ERROR, type VsockCalls } from "../../../src/network/vsock-calls.ts";

const { ENODEV, ECONNRESET, ECONNREFUSED, EINPROGRESS, ETIMEDOUT } = VSOCK_ERROR;
const EPERM = 1;

/** One connection: what `connect` answers, then what each look at it answers. The last one repeats for ever. */
type Attempt = readonly [connect: number, ...looks: (number | null)[]];

class FakeCalls implements VsockCalls {
	readonly opened: number[] = [];
	readonly closed: number[] = [];
	readonly asked: [number, number][] = [];
	readonly #attempts: readonly Attempt[];
	#looks = 0;

	constructor(attempts: readonly Attempt[]) {
		this.#attempts = attempts;
	}

	get #attempt(): Attempt {
		return this.#attempts[Math.min(this.opened.length, this.#attempts.length) - 1] ?? [EPERM];
	}

	open(): number {
		this.#looks = 0;
		this.opened.push(100 + this.opened.length);
		return this.opened.at(-1) ?? -1;
	}

	connect(_: number, cid: number, port: number): number {
		this.asked.push([cid, port]);
		return this.#attempt[0];
	}

	result(): number | null {
		const [, ...looks] = this.#attempt;
		return looks[Math.min(this.#looks++, looks.length - 1)] ?? null;
	}

	close(fd: number): void {
		this.closed.push(fd);
	}
}

/** The descriptor, or the reason why there is none. */
async function connect(calls: VsockCalls, connectMs = 200, unclaimedMs = 50): Promise<number | string> {
	try {
		return await connectDescriptor(7, 5222, calls, { connectMs, unclaimedMs });
	} catch (error) {
		if (error instanceof Fault) return `${error.message}: ${error.details.why ?? ""}`;
		throw error;
	}
}

test.each([
	["at once", [[0]], 1],
	["when the guest answers", [[EINPROGRESS, null, null, 0]], 1],
	["when QEMU has claimed the context id", [[ENODEV], [ENODEV], [EINPROGRESS, 0]], 3],
	[
		"when a guest that was busy answers the second time",
		[
			[EINPROGRESS, null, ETIMEDOUT],
			[EINPROGRESS, null, 0],
		],
		2,
	],
] as const)("connected %s", async (_, attempts, tries) => {
	const calls = new FakeCalls(attempts);
	expect(await connect(calls)).toBe(100 + tries - 1);
	expect(calls.closed).toEqual(calls.opened.slice(0, -1));
	expect(calls.asked).toEqual(Array.from({ length: tries }, () => [7, 5222]));
});

test.each([
	["nothing listens", [[EINPROGRESS, ECONNRESET]], "nothing listens on that port in the guest"],
	["refused", [[ECONNREFUSED]], "nothing listens on that port in the guest"],
	["anything else", [[EPERM]], "error 1"],
] as const)("no second try: %s", async (_, attempts, why) => {
	const calls = new FakeCalls(attempts);
	expect(await connect(calls)).toBe(`The guest's agent cannot be reached: vsock 7:5222: ${why}`);
	expect(calls.closed).toEqual(calls.opened);
	expect(calls.opened).toHaveLength(1);
});

test("a context id that nobody claims is given up long before a guest that does not answer", async () => {
	const calls = new FakeCalls([[ENODEV]]);
	const from = performance.now();
	expect(await connect(calls, 10_000, 50)).toContain("no machine on this host has that context id");
	expect(performance.now() - from).toBeLessThan(5_000);
	expect(calls.closed).toEqual(calls.opened);
});

test("a guest that does not answer is given up in time, and nothing blocks meanwhile", async () => {
	let turns = 0;
	const timer = setInterval(() => turns++, 5);
	try {
		expect(await connect(new FakeCalls([[EINPROGRESS, null]]), 200)).toContain("no answer within 0.2 s");
		expect(await connect(new FakeCalls([[EINPROGRESS, null, ETIMEDOUT]]), 200)).toMatch(/does not answer|no answer/);
		expect(turns).toBeGreaterThan(5);
	} finally {
		clearInterval(timer);
	}
});

test("a kernel without vsock", async () => {
	const calls = new FakeCalls([]);
	calls.open = () => -1;
	expect(await connect(calls)).toContain("no AF_VSOCK sockets");
});

test("whatever the kernel answers: every descriptor is closed or given back, once", async () => {
	const error = fc.constantFrom(0, EPERM, ENODEV, ECONNRESET, ECONNREFUSED, ETIMEDOUT);
	const look = fc.oneof(error, fc.constant(null));
	const attempt = fc.tuple(fc.oneof(error, fc.constant(EINPROGRESS)), look, look) as fc.Arbitrary<Attempt>;
	await fc.assert(
		fc.asyncProperty(fc.array(attempt, { minLength: 1, maxLength: 5 }), async (attempts) => {
			const calls = new FakeCalls(attempts);
			const outcome = await connect(calls, 30, 15);
			const left = calls.opened.filter((fd) => !calls.closed.includes(fd));
			expect(left).toEqual(typeof outcome === "number" ? [outcome] : []);
			expect(new Set(calls.closed).size).toBe(calls.closed.length);
		}),
		{ numRuns: 200 },
	);
});
