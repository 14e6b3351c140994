/** Bytes of one file, with many SFTP requests under way at once. */
import type { FileHandle } from "node:fs/promises";
import { EntryProblem } from "./problems.ts";
import type { RemoteFiles } from "./remote.ts";

/** Every SFTP server takes requests of this size; with the next number it makes 2 MiB under way, and in memory, at most. */
export const CHUNK_BYTES = 32 * 1024;
const REQUESTS_MAX = 64;

/** A file that tells no size (as in /proc) is read to its end, but not without end. */
const UNSIZED_BYTES_MAX = 1024 ** 3;

/** The bytes of a file in the guest, in order, up to its end or `bytesMax`. */
export async function* readAhead(remote: RemoteFiles, handle: Buffer, bytesMax: number): AsyncGenerator<Buffer> {
	const underWay: { length: number; chunk: Promise<Buffer> }[] = [];
	let asked = 0;
	// Slowly at first, as most files are small and may be shorter than they said; doubled with every full chunk.
	let requests = 2;
	for (;;) {
		while (underWay.length < requests && asked < bytesMax) {
			const length = Math.min(CHUNK_BYTES, bytesMax - asked);
			const chunk = readFully(remote, handle, asked, length);
			// Those behind a failed one are given up.
			chunk.catch(() => {});
			underWay.push({ length, chunk });
			asked += length;
		}
		const next = underWay.shift();
		if (!next) return;
		const bytes = await next.chunk;
		if (bytes.length > 0) yield bytes;
		if (bytes.length < next.length) return;
		requests = Math.min(requests * 2, REQUESTS_MAX);
	}
}

/** `length` bytes; fewer only at the end of the file, however little the guest sends at a time. */
async function readFully(remote: RemoteFiles, handle: Buffer, position: number, length: number): Promise<Buffer> {
	const buffer = Buffer.allocUnsafe(length);
	let got = 0;
	while (got < length) {
		const count = await remote.read(handle, buffer, got, length - got, position + got);
		if (count === 0) break;
		got += count;
	}
	return buffer.subarray(0, got);
}

/** Writes to a file in the guest without waiting for each answer. */
export class WriteBehind {
	readonly #remote: RemoteFiles;
	readonly #handle: Buffer;
	readonly #underWay: Promise<void>[] = [];

	constructor(remote: RemoteFiles, handle: Buffer) {
		this.#remote = remote;
		this.#handle = handle;
	}

	async write(bytes: Buffer, position: number): Promise<void> {
		for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
			if (this.#underWay.length >= REQUESTS_MAX) await this.#underWay.shift();
			const written = this.#remote.write(this.#handle, bytes.subarray(at, at + CHUNK_BYTES), position + at);
			written.catch(() => {});
			this.#underWay.push(written);
		}
	}

	/** Waits for the answers to all writes. */
	async finish(): Promise<void> {
		await Promise.all(this.#underWay.splice(0));
	}
}

/** The bytes of a file here, up to its end or `bytesMax`. */
export async function* readHere(file: FileHandle, bytesMax: number): AsyncGenerator<Buffer> {
	let position = 0;
	while (position < bytesMax) {
		const length = Math.min(CHUNK_BYTES, bytesMax - position);
		// A new buffer each time: the last ones may still be on their way.
		const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, position);
		if (bytesRead === 0) return;
		yield buffer.subarray(0, bytesRead);
		position += bytesRead;
	}
}

/** One byte more than it said, which shows whether a file has grown. */
export function bytesMaxOf(size: number): number {
	return size > 0 ? size + 1 : UNSIZED_BYTES_MAX + 1;
}

/**
 * Copies a file that said it has `size` bytes. A file may change while it is copied, and the guest may lie: never more
 * than `size` bytes are taken (0 stands for not known).
 *
 * @returns what the user has to know about the copy; null if all is well.
 */
export async function pump(
	chunks: AsyncIterable<Buffer>,
	size: number,
	write: (bytes: Buffer, position: number) => Promise<void>,
	step: (doneBytes: number) => void,
): Promise<string | null> {
	const bytesMax = size > 0 ? size : UNSIZED_BYTES_MAX;
	let done = 0;
	for await (const chunk of chunks) {
		const bytes = chunk.subarray(0, bytesMax - done);
		if (bytes.length > 0) await write(bytes, done);
		done += bytes.length;
		step(done);
		if (bytes.length === chunk.length) continue;
		if (size === 0) throw new EntryProblem("it tells no size and has no end");
		return `it grew while it was copied; the copy has its first ${size} bytes`;
	}
	if (done < size) return `${done} bytes came where it should have ${size}: it shrank, or is no ordinary file`;
	return null;
}
