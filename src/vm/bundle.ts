/** Unpacks the QEMU bundle: a tar of regular files and folders, compressed with zstd. */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";
import * as zlib from "node:zlib";
import { Fault } from "../errors.ts";
import { untar } from "./untar.ts";

// Node has it since 22.15, Bun too; the types in use are older.
const { createZstdDecompress } = zlib as unknown as { createZstdDecompress(): NodeJS.ReadWriteStream };

/**
 * As a stream: the launcher stays as small as it was. @param read told how many bytes of `archive` have been read so far
 * @throws the system's error if the disk is full; Fault if the archive holds no QEMU.
 */
export async function unpackBundle(archive: Blob, folder: string, read: (bytes: number) => void = () => {}) {
	mkdirSync(folder, { mode: 0o700 });
	const packed = Readable.fromWeb(archive.stream() as unknown as NodeReadableStream<Uint8Array>);
	let bytes = 0;
	packed.on("data", (chunk: Uint8Array) => {
		bytes += chunk.length;
		read(bytes);
	});
	const unpacked = createZstdDecompress();
	packed.on("error", (error) => unpacked.emit("error", error));
	await untar(packed.pipe(unpacked) as unknown as AsyncIterable<Uint8Array>, folder);
	if (!existsSync(join(folder, "bin", "qemu-system-x86_64"))) throw new Fault("The QEMU bundle is incomplete");
}
