/** Unpacks the QEMU bundle: a tar of regular files and folders, compressed with zstd. */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import * as zlib from "node:zlib";
import { Fault } from "../errors.ts";
import { untar } from "./untar.ts";

// Node has it since 22.15, Bun too; the types in use are older.
const { createZstdDecompress } = zlib as unknown as { createZstdDecompress(): Transform };

/**
 * As a stream: the launcher stays as small as it was. `read` is told how many bytes of `archive` have been read so far; what it throws ends the unpacking.
 *
 * @throws the system's error if the disk is full; Fault if the archive holds no QEMU.
 */
export async function unpackBundle(archive: Blob, folder: string, read: (bytes: number) => void = () => {}) {
	mkdirSync(folder, { mode: 0o700 });
	await pipeline(Readable.from(counted(archive, read)), createZstdDecompress(), (unpacked: AsyncIterable<Uint8Array>) =>
		untar(unpacked, folder),
	);
	if (!existsSync(join(folder, "bin", "qemu-system-x86_64"))) throw new Fault("The QEMU bundle is incomplete");
}

async function* counted(archive: Blob, read: (bytes: number) => void): AsyncGenerator<Uint8Array> {
	let bytes = 0;
	for await (const chunk of archive.stream() as unknown as AsyncIterable<Uint8Array>) {
		bytes += chunk.length;
		read(bytes);
		yield chunk;
	}
}
