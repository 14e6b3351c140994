/** The relay between QEMU and passt, over real sockets: order, pieces, refusals, a side that does not read. */
import { expect, test } from "bun:test";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import fc from "fast-check";
import { FRAME_BYTES_MAX, FrameStream, withPrefix } from "../../../src/filter/frames.ts";
import { makePolicy, needsLoopback, ownPrefixes } from "../../../src/filter/policy.ts";
import { checksum } from "../../../src/filter/refusal.ts";
import { adoptSocket } from "../../../src/network/adopt.ts";
import { filterFrames } from "../../../src/network/frame-filter.ts";
import { greetPasst } from "../../../src/network/passt-greeting.ts";
import { openSocketPair } from "../../../src/network/socket-pair.ts";
import { ipv4, ipv6, tcp } from "../filter/packets.ts";

const policy = makePolicy({ mode: "internet", allow: [], deny: [] }, []);
const allowed = (mark: number) => ipv4("1.1.1.1", 6, [...tcp(80), mark >> 8, mark & 0xff]);
const refused = ipv4("192.168.1.1", 6, tcp(80));
const dropped = ipv4("127.0.0.1", 6, tcp(80));

function pair(): [Duplex, Duplex] {
	const [one, other] = openSocketPair().fds;
	return [adoptSocket(one), adoptSocket(other)];
}

function start() {
	const [qemu, guestSide] = pair();
	const [passt, outside] = pair();
	const done = filterFrames(guestSide, outside, () => policy);
	return { qemu, passt, done };
}

/** Frames that arrive at `stream`. */
function collect(stream: Duplex): Uint8Array[] {
	const frames: Uint8Array[] = [];
	const cut = new FrameStream();
	stream.on("data", (chunk: Buffer) => {
		cut.push(chunk, (bytes, at, length) => frames.push(Uint8Array.from(bytes.subarray(at, at + length))));
	});
	return frames;
}

test("what is allowed arrives in order, whatever pieces it came in; the rest does not", async () => {
	await fc.assert(
		fc.asyncProperty(
			fc.array(fc.constantFrom("allowed", "refused", "dropped"), { minLength: 1, maxLength: 40 }),
			fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 20 }),
			async (kinds, cuts) => {
				const { qemu, passt, done } = start();
				const arrived = collect(passt);
				const told = collect(qemu);
				const frames = kinds.map((kind, i) =>
					kind === "allowed" ? allowed(i) : kind === "refused" ? refused : dropped,
				);
				const bytes = Buffer.concat([...frames, allowed(9999)].map(withPrefix));
				for (let at = 0, i = 0; at < bytes.length; i++) {
					const size = cuts[i % cuts.length] ?? 1;
					qemu.write(bytes.subarray(at, at + size));
					at += size;
				}
				const expected = [...frames.filter((_, i) => kinds[i] === "allowed"), allowed(9999)];
				while (arrived.length < expected.length) await Bun.sleep(1);
				const refusals = kinds.filter((kind) => kind === "refused").length;
				while (told.length < refusals) await Bun.sleep(1);
				expect(arrived).toEqual(expected);
				qemu.destroy();
				expect(await done).toEqual({
					passed: expected.length,
					refused: refusals,
					dropped: kinds.filter((kind) => kind === "dropped").length,
				});
			},
		),
		{ numRuns: 30 },
	);
});

test("a refusal is a sound ICMP message to the guest, about its packet", async () => {
	const { qemu, done } = start();
	const told = collect(qemu);
	qemu.write(Buffer.concat([withPrefix(refused), withPrefix(ipv6("fd00::1", 6, tcp(80)))]));
	while (told.length < 2) await Bun.sleep(1);
	const [four = new Uint8Array(), six = new Uint8Array()] = told;
	expect([...four.subarray(0, 12)]).toEqual([...refused.subarray(6, 12), ...refused.subarray(0, 6)]);
	expect([four[23], four[34], four[35]]).toEqual([1, 3, 13]);
	expect([checksum([four.subarray(14, 34)]), checksum([four.subarray(34)])]).toEqual([0, 0]);
	expect([...four.subarray(42, 62)]).toEqual([...refused.subarray(14, 34)]);
	const load = six.length - 54;
	const pseudo = Uint8Array.from([...six.subarray(22, 54), 0, 0, load >> 8, load & 0xff, 0, 0, 0, 58]);
	expect([six[20], six[54], six[55], checksum([pseudo, six.subarray(54)])]).toEqual([58, 1, 1, 0]);
	qemu.destroy();
	await done;
});

test("what comes from outside passes as it is", async () => {
	const { qemu, passt, done } = start();
	const arrived = collect(qemu);
	const frames = [new Uint8Array(FRAME_BYTES_MAX).fill(7), Uint8Array.from([1, 2, 3])];
	for (const each of frames) passt.write(withPrefix(each));
	while (arrived.length < 2) await Bun.sleep(1);
	expect(arrived.map((each) => [each.length, each[0]])).toEqual([
		[FRAME_BYTES_MAX, 7],
		[3, 1],
	]);
	passt.destroy();
	await done;
	await once(qemu, "close");
});

test("a length that no frame has ends it", async () => {
	const { qemu, done } = start();
	qemu.write(Uint8Array.from([0xff, 0xff, 0xff, 0xff, 0]));
	expect(await done.catch((error: Error) => error.message)).toBe("a frame of 4294967295 bytes");
});

test("a side that does not read holds the other up, and memory stays bounded", async () => {
	const { qemu, passt, done } = start();
	const chunk = Buffer.concat(Array.from({ length: 1000 }, () => withPrefix(allowed(1))));
	const before = process.memoryUsage().rss;
	let written = 0;
	const end = Date.now() + 1500;
	while (Date.now() < end && written < 1000) {
		written++;
		if (!qemu.write(chunk)) await Bun.sleep(100);
	}
	expect(written * chunk.length).toBeLessThan(16 * 1024 * 1024);
	expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
	// Nobody reads the end of a stream that is held up.
	passt.destroy();
	qemu.destroy();
	await done;
});

test("passt is greeted, and what it says besides is not lost", async () => {
	const [passt, outside] = pair();
	const asked = collect(passt);
	const greeting = greetPasst(outside);
	while (asked.length === 0) await Bun.sleep(1);
	expect([...(asked[0] ?? []).slice(12, 14)]).toEqual([8, 6]);
	const answer = Uint8Array.from(asked[0] ?? []);
	passt.write(Buffer.concat([withPrefix(allowed(1)), withPrefix(answer)]));
	expect([...(await greeting)]).toEqual([...withPrefix(allowed(1))]);
	const [gone, waiting] = pair();
	const never = greetPasst(waiting).catch((error: Error) => error.message);
	gone.destroy();
	expect(await never).toBe("passt closed the connection");
});

test("the policy: names are refused, loopback stands apart, the host's cards and their networks count", () => {
	const made = makePolicy({ mode: "internet", allow: ["127.0.0.1:80", "10.0.0.1"], deny: ["1.1.1.1"] }, []);
	expect([made.rules.length, made.loopback.length, needsLoopback(made)]).toEqual([2, 1, true]);
	expect(needsLoopback(policy)).toBe(false);
	expect(needsLoopback(makePolicy({ mode: "host", allow: [], deny: [] }, []))).toBe(true);
	expect(() => makePolicy({ mode: "host", allow: ["nas"], deny: [] }, [])).toThrow('"nas" is no address');
	const own = ownPrefixes([
		{ address: "198.41.0.4", cidr: "198.41.0.4/24" },
		{ address: "fe80::1%eth0", cidr: "fe80::1/64" },
		{ address: "5.5.5.5", cidr: "5.5.5.5/1" },
		{ address: "6.6.6.6", cidr: null },
	]);
	expect(own.map(({ bits }) => bits)).toEqual([32, 24, 128, 64, 32, 32, 32]);
});
