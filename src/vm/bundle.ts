/** Unpacks the QEMU bundle: a tar of regular files, folders and relative links, compressed with zstd. */
import { createReadStream, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../errors.ts";

/** @throws the system's error if the disk is full; Fault if the archive holds no QEMU. */
export async function unpackBundle(archive: string, folder: string): Promise<void> {
	const chunks: Buffer[] = [];
	for await (const chunk of createReadStream(archive)) chunks.push(chunk as Buffer);
	const tar = await Bun.zstdDecompress(Buffer.concat(chunks));
	mkdirSync(folder, { mode: 0o700 });
	await new Bun.Archive(tar).extract(folder);
	if (!existsSync(join(folder, "bin", "qemu-system-x86_64"))) throw new Fault("The QEMU bundle is incomplete");
}
