/**
 * Where the embedded images lie inside the finished executable: a table that the build appends to it, because Bun tells a program
 * the content of an embedded file but not its place. Pure; written by `vm-assets/build/binary.ts`, read by `own-executable.ts`.
 *
 *     … executable … | JSON of the places | length of the JSON, 4 bytes little endian | magic, 8 bytes | end of the file
 */
import { z } from "zod";

const MAGIC = "VGPLACES";
export const TAIL_BYTES = 4 + MAGIC.length;
/** A table names a few files. */
export const TABLE_BYTES_MAX = 64 * 1024;

/** Part of a file, in bytes. */
export interface Part {
	readonly offset: number;
	readonly size: number;
}

const schema = z.record(
	z.string(),
	z.object({ offset: z.number().int().nonnegative(), size: z.number().int().positive() }),
);

export function encodeTable(parts: Readonly<Record<string, Part>>): Buffer {
	const json = Buffer.from(JSON.stringify(parts));
	const tail = Buffer.alloc(TAIL_BYTES);
	tail.writeUInt32LE(json.length, 0);
	tail.write(MAGIC, 4, "latin1");
	return Buffer.concat([json, tail]);
}

/** Bytes of JSON before the tail; null if this is not the end of an executable with a table. */
export function tableBytes(tail: Buffer): number | null {
	if (tail.length !== TAIL_BYTES || tail.toString("latin1", 4) !== MAGIC) return null;
	const bytes = tail.readUInt32LE(0);
	return bytes <= TABLE_BYTES_MAX ? bytes : null;
}

/** Null if it is damaged. */
export function decodeTable(json: Buffer): Readonly<Record<string, Part>> | null {
	try {
		return schema.parse(JSON.parse(json.toString("utf8")));
	} catch {
		return null;
	}
}

const SAMPLES = 16;
const SAMPLE_BYTES = 4096;

/** Offsets of the blocks whose hash says, at every start, that this is the image: the first, the last, and some in between. */
export function sampleOffsets(size: number): number[] {
	const last = Math.max(0, size - SAMPLE_BYTES);
	return Array.from({ length: SAMPLES }, (_, index) => Math.floor((last * index) / (SAMPLES - 1)));
}

/** What is hashed: the sampled blocks one after another. `read` fills a buffer from an offset and gives the number of bytes. */
export function readSamples(size: number, read: (into: Buffer, offset: number) => number): Buffer {
	return Buffer.concat(
		sampleOffsets(size).map((offset) => {
			const block = Buffer.alloc(Math.min(SAMPLE_BYTES, size));
			return block.subarray(0, read(block, offset));
		}),
	);
}
