/**
 * Writes what a work copy has changed to stdout (src/wire/work.ts). The three folders are an overlay's: `upper` tells where to look, the
 * others are compared, so that no marks of overlayfs have to be understood: what `lower` has and `merged` has not is gone.
 */
import * as fs from "node:fs";
import { encodeWorkEntry, WORK_HEADER, type WorkEntry } from "../src/wire/work.ts";

const CHUNK_BYTES = 256 * 1024;

export interface WorkFolders {
	readonly upper: string;
	readonly lower: string;
	readonly merged: string;
}

/** Paths below the three folders; the root is empty. */
type Path = Buffer;

export function collectWork(folders: WorkFolders, write: (bytes: Uint8Array) => void): void {
	write(Buffer.from(`${WORK_HEADER}\n`));
	const collector = new Collector(folders, write);
	collector.folder(Buffer.alloc(0), true);
	write(Buffer.from(encodeWorkEntry({ type: "end", entries: collector.entries })));
}

class Collector {
	entries = 0;
	readonly #folders: WorkFolders;
	readonly #write: (bytes: Uint8Array) => void;

	constructor(folders: WorkFolders, write: (bytes: Uint8Array) => void) {
		this.#folders = folders;
		this.#write = write;
	}

	#say(entry: WorkEntry): void {
		this.entries++;
		this.#write(Buffer.from(encodeWorkEntry(entry)));
	}

	/** `wasFolder`: it is one in `lower` too. Where a link was, looking below it would follow the link. */
	folder(path: Path, wasFolder: boolean): void {
		const { upper, lower, merged } = this.#folders;
		const now = new Set(list(at(merged, path)).map(latin1));
		for (const name of wasFolder ? list(at(lower, path)) : []) {
			if (!now.has(latin1(name))) this.#say({ type: "gone", path: latin1(below(path, name)) });
		}
		for (const name of list(at(upper, path))) {
			if (now.has(latin1(name))) this.#entry(below(path, name), wasFolder);
		}
	}

	#entry(path: Path, isInLower: boolean): void {
		const text = latin1(path);
		const real = at(this.#folders.merged, path);
		const stat = lstat(real);
		if (stat === null) return;
		const before = isInLower ? lstat(at(this.#folders.lower, path)) : null;
		if (before && kind(before) !== kind(stat)) this.#say({ type: "gone", path: text });
		const mode = stat.mode & 0o7777;
		switch (kind(stat)) {
			case "folder":
				this.#say({ type: "folder", path: text, mode });
				return this.folder(path, before?.isDirectory() ?? false);
			case "link":
				return this.#say({ type: "link", path: text, target: latin1(readlink(real)) });
			case "file":
				this.#say({ type: "file", path: text, mode, size: stat.size, mtime: stat.mtimeMs });
				if (!sendFile(real, stat.size, this.#write)) {
					this.#say({ type: "refused", path: text, why: "it changed while it was read" });
				}
				return;
			case "other":
				return this.#say({ type: "refused", path: text, why: "it is a device, pipe or socket" });
		}
	}
}

/** Exactly `size` bytes, come what may; false where they are not the file's. */
function sendFile(path: Buffer, size: number, write: (bytes: Uint8Array) => void): boolean {
	let left = size;
	let isWhole = true;
	const buffer = Buffer.alloc(Math.min(CHUNK_BYTES, Math.max(1, size)));
	let fd: number | null = null;
	try {
		fd = fs.openSync(path as never, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK);
		while (left > 0) {
			const count = fs.readSync(fd, buffer, 0, Math.min(buffer.length, left), null);
			if (count === 0) break;
			write(buffer.subarray(0, count));
			left -= count;
		}
		isWhole = left === 0 && fs.fstatSync(fd).size === size;
	} catch {
		isWhole = false;
	} finally {
		if (fd !== null) fs.closeSync(fd);
	}
	buffer.fill(0);
	for (; left > 0; left -= Math.min(buffer.length, left)) write(buffer.subarray(0, Math.min(buffer.length, left)));
	return isWhole;
}

function kind(stat: fs.Stats): "file" | "folder" | "link" | "other" {
	if (stat.isFile()) return "file";
	if (stat.isDirectory()) return "folder";
	return stat.isSymbolicLink() ? "link" : "other";
}

function latin1(bytes: Buffer): string {
	return bytes.toString("latin1");
}

function below(path: Path, name: Buffer): Path {
	return path.length === 0 ? name : Buffer.concat([path, Buffer.from("/"), name]);
}

function at(root: string, path: Path): Buffer {
	return Buffer.concat([Buffer.from(`${root}/`), path]);
}

/** Empty where it is no folder: a link is not followed. */
function list(path: Buffer): Buffer[] {
	if (!lstat(path)?.isDirectory()) return [];
	const names = fs.readdirSync(path as never, { encoding: "buffer" } as never) as unknown as Buffer[];
	return names.sort(Buffer.compare);
}

function lstat(path: Buffer): fs.Stats | null {
	try {
		return fs.lstatSync(path as never);
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (code === "ENOENT") return null;
		throw error;
	}
}

function readlink(path: Buffer): Buffer {
	return fs.readlinkSync(path as never, { encoding: "buffer" } as never) as unknown as Buffer;
}

const AGAIN_MS = 5;

/** Standard output may be a pipe that does not wait. */
export function writeStdout(bytes: Uint8Array): void {
	let done = 0;
	while (done < bytes.length) {
		try {
			done += fs.writeSync(1, bytes, done);
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
			Bun.sleepSync(AGAIN_MS);
		}
	}
}
