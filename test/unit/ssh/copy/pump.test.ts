import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { bytesMaxOf, CHUNK_BYTES, pump, readAhead } from "../../../../src/ssh/copy/pump.ts";
import type { RemoteFiles } from "../../../../src/ssh/copy/remote.ts";

/** A file in a guest that answers each read with as many bytes as `amount` says, and how many were asked for at once. */
function fileOf(bytes: Buffer, amount: (wanted: number) => number) {
	const asked = { now: 0, most: 0 };
	const read = async (_handle: Buffer, buffer: Buffer, offset: number, length: number, position: number) => {
		asked.most = Math.max(asked.most, ++asked.now);
		await Promise.resolve();
		asked.now--;
		const left = Math.max(0, bytes.length - position);
		return bytes.copy(buffer, offset, position, position + Math.min(left, Math.max(1, amount(length))));
	};
	return { remote: { read } as unknown as RemoteFiles, asked };
}

test("any file arrives whole however it is read, and whatever it said about its size", async () => {
	const all = randomBytes(CHUNK_BYTES * 3 + 5);
	await fc.assert(
		fc.asyncProperty(fc.nat(all.length), fc.nat(all.length), fc.integer({ min: 100 }), async (length, said, part) => {
			const { remote } = fileOf(all.subarray(0, length), (wanted) => Math.min(wanted, part));
			const out = Buffer.alloc(all.length);
			let done = 0;
			const write = (bytes: Buffer, position: number) => {
				bytes.copy(out, position);
				return Promise.resolve();
			};
			const note = await pump(readAhead(remote, Buffer.alloc(0), bytesMaxOf(said)), said, write, (bytes) => {
				done = bytes;
			});
			const expected = said === 0 ? length : Math.min(said, length);
			expect(done).toBe(expected);
			expect(out.subarray(0, expected).equals(all.subarray(0, expected))).toBe(true);
			expect(note === null).toBe(said === 0 || said === length);
		}),
	);
});

test("many requests are under way at once, but not without bound", async () => {
	const { remote, asked } = fileOf(Buffer.alloc(CHUNK_BYTES * 300), (wanted) => wanted);
	for await (const _ of readAhead(remote, Buffer.alloc(0), Number.MAX_SAFE_INTEGER));
	expect(asked.most).toBeGreaterThan(32);
	expect(asked.most).toBeLessThanOrEqual(64);
});

test("a file without size and without end is given up", async () => {
	const chunk = Buffer.alloc(CHUNK_BYTES * 128);
	async function* endless() {
		for (;;) yield await Promise.resolve(chunk);
	}
	const copy = pump(
		endless(),
		0,
		() => Promise.resolve(),
		() => {},
	);
	expect(await copy.catch((error: Error) => error.message)).toBe("it tells no size and has no end");
});
