/** Content hashes: of files, of folders and of values. */
import { createHash } from "node:crypto";
import { createReadStream, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** Hash of files and folders by relative name, kind, executable bit and content. A path that does not exist counts too. */
export function hashPaths(root: string, paths: readonly string[]): string {
	const hash = createHash("sha256");
	for (const path of paths) addPath(hash, root, path);
	return hash.digest("hex");
}

export function hashValue(value: unknown): string {
	return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}

export async function hashFile(path: string): Promise<string> {
	const hash = createHash("sha256");
	for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Uint8Array);
	return hash.digest("hex");
}

function addPath(hash: ReturnType<typeof createHash>, root: string, path: string): void {
	const full = join(root, path);
	const stat = lstatSync(full, { throwIfNoEntry: false });
	if (stat === undefined) {
		hash.update(`absent ${path}\0`);
	} else if (stat.isSymbolicLink()) {
		hash.update(`link ${path}\0${readlinkSync(full)}\0`);
	} else if (stat.isDirectory()) {
		hash.update(`folder ${path}\0`);
		for (const name of readdirSync(full).sort()) addPath(hash, root, join(path, name));
	} else {
		const content = readFileSync(full);
		hash.update(`file ${path}\0${stat.mode & 0o100 ? "x" : "-"} ${content.length}\0`).update(content);
	}
}
