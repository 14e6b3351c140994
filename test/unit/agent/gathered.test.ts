/** What a program writes reaches the client whole and in order, whatever the pieces; nothing waits for more to come. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { gathered } from "../../../agent/gathered.ts";

function streamOf(pieces: readonly Uint8Array[]): ReadableStream<Uint8Array> {
	return new ReadableStream({
		start(controller) {
			for (const piece of pieces) controller.enqueue(piece);
			controller.close();
		},
	});
}

async function collect(stream: ReadableStream<Uint8Array>): Promise<Uint8Array[]> {
	const pieces: Uint8Array[] = [];
	for await (const piece of gathered(stream)) pieces.push(piece);
	return pieces;
}

test("any pieces arrive whole and in order", async () => {
	const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 5000 }), { maxLength: 40 });
	await fc.assert(
		fc.asyncProperty(pieces, async (given) => {
			expect(Buffer.concat(await collect(streamOf(given)))).toEqual(Buffer.concat(given));
		}),
	);
});

test("what is there already comes as pieces of 32 KiB or a little more", async () => {
	const sizes = (await collect(streamOf(Array.from({ length: 64 }, () => new Uint8Array(4096))))).map((p) => p.length);
	expect(sizes.every((size) => size === 32 * 1024)).toBe(true);
	expect(sizes).toHaveLength(8);
});

test("a piece with nothing behind it is not held back", async () => {
	const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
	const writer = writable.getWriter();
	const pieces = gathered(readable);
	const first = pieces.next();
	void writer.write(new Uint8Array([1]));
	expect((await first).value).toEqual(new Uint8Array([1]));
	const second = pieces.next();
	void writer.write(new Uint8Array([2]));
	expect((await second).value).toEqual(new Uint8Array([2]));
});

test("a reader that stops early cancels the stream, so that the program gets SIGPIPE", async () => {
	let cancelled = false;
	const endless = new ReadableStream<Uint8Array>({
		pull: (controller) => controller.enqueue(new Uint8Array(1000)),
		cancel: () => {
			cancelled = true;
		},
	});
	for await (const _ of gathered(endless)) break;
	await Bun.sleep(0);
	expect(cancelled).toBe(true);
});

test("an error of the stream is the reader's", async () => {
	const broken = new ReadableStream<Uint8Array>({ start: (controller) => controller.error(new Error("gone")) });
	await expect(collect(broken)).rejects.toThrow("gone");
});
