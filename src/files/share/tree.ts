/**
 * A folder of the host's, seen from inside: no path, link or race leads out of it.
 *
 * On Linux a path is walked a component at a time with `O_PATH | O_NOFOLLOW`, each relative to the descriptor of the one before, so what
 * is opened is what was looked at, and no link is ever followed: the guest's kernel resolves links by itself, below its own root. That is
 * what openat2's RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS promises, with error codes that FFI does not give (docs/decisions/files.md).
 * Elsewhere the parent's real path is compared with the folder's.
 */
import * as fs from "node:fs";
import { EntryFault } from "./entry-fault.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY, O_RDONLY } = fs.constants;
/** Linux, all architectures that we build for. */
const O_PATH = 0o10_000_000;
const NAME_BYTES_MAX = 255;
const DEPTH_MAX = 256;

/** An entry of a folder that is held open: what `path` names cannot be moved elsewhere by renaming a folder above it. */
export interface Place extends Disposable {
	readonly path: Buffer;
	/** Folders between the shared one and this entry. */
	readonly depth: number;
}

/** Components of a path as the guest writes it. @throws EntryFault */
export function components(path: Uint8Array): Buffer[] {
	const parts: Buffer[] = [];
	let from = 0;
	const bytes = Buffer.from(path.buffer, path.byteOffset, path.byteLength);
	while (from <= bytes.length) {
		const slash = bytes.indexOf(0x2f, from);
		const part = bytes.subarray(from, slash < 0 ? bytes.length : slash);
		from = (slash < 0 ? bytes.length : slash) + 1;
		const word = part.length <= 2 ? part.toString("latin1") : "";
		if (part.length === 0 || word === ".") continue;
		// The guest's kernel resolves them: nobody but somebody who tries to get out would send one.
		if (word === "..") throw new EntryFault("EACCES", "a path with ..");
		if (part.length > NAME_BYTES_MAX) throw new EntryFault("ENAMETOOLONG", "a name is too long");
		if (part.includes(0)) throw new EntryFault("EINVAL", "a name holds a NUL");
		if (process.platform === "win32" && /[\\:]/.test(part.toString("latin1")))
			throw new EntryFault("EINVAL", "no name of Windows");
		parts.push(part);
	}
	if (parts.length > DEPTH_MAX) throw new EntryFault("ENAMETOOLONG", "a path is too deep");
	return parts;
}

export class Tree implements Disposable {
	readonly #root: string;
	/** Descriptor of the folder; null where the platform has no /proc. */
	readonly #fd: number | null;

	/** `root` is a real path. @throws Error of the system */
	constructor(root: string) {
		this.#root = root;
		this.#fd = process.platform === "linux" ? fs.openSync(root, O_PATH | O_DIRECTORY | O_NOFOLLOW) : null;
	}

	/** The folder itself. */
	get rootPath(): string {
		return this.#fd === null ? this.#root : `/proc/self/fd/${this.#fd}/.`;
	}

	/** The place of an entry, which need not be there; the folder around it must. Dispose at once. @throws Error of the system, EntryFault */
	place(path: Uint8Array): Place {
		const parts = components(path);
		const name = parts.pop();
		if (name === undefined) return { path: Buffer.from(this.rootPath), depth: 0, [Symbol.dispose]: () => {} };
		return this.#fd === null ? this.#placeByRealPath(parts, name) : this.#placeByDescriptor(this.#fd, parts, name);
	}

	#placeByDescriptor(root: number, parts: readonly Buffer[], name: Buffer): Place {
		let fd = root;
		const close = () => {
			if (fd !== root) fs.closeSync(fd);
		};
		for (const part of parts) {
			let next: number;
			try {
				next = fs.openSync(below(fd, part) as never, O_PATH | O_DIRECTORY | O_NOFOLLOW);
			} finally {
				close();
			}
			fd = next;
		}
		return { path: below(fd, name), depth: parts.length, [Symbol.dispose]: close };
	}

	#placeByRealPath(parts: readonly Buffer[], name: Buffer): Place {
		const asked = [this.#root, ...parts.map((part) => part.toString("utf8"))].join("/");
		const real = fs.realpathSync(asked);
		if (real !== asked && real.replaceAll("\\", "/") !== asked.replaceAll("\\", "/")) {
			throw new EntryFault("ENOTDIR", "a link is on the way");
		}
		return { path: Buffer.from(`${real}/${name.toString("utf8")}`), depth: parts.length, [Symbol.dispose]: () => {} };
	}

	[Symbol.dispose](): void {
		if (this.#fd !== null) fs.closeSync(this.#fd);
	}
}

function below(fd: number, name: Buffer): Buffer {
	return Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name]);
}

/**
 * Runs `work` with a path that names exactly the file or folder that is at `place` now, whatever takes its place meanwhile. A link,
 * device, pipe or socket is refused before anything is done to it. @throws Error of the system, EntryFault
 */
export function withInode<T>(place: Place, work: (path: Buffer | string, stat: fs.Stats) => T): T {
	if (process.platform !== "linux") {
		const stat = fs.lstatSync(place.path as never);
		requirePlain(stat);
		return work(place.path, stat);
	}
	const fd = fs.openSync(place.path as never, O_PATH | O_NOFOLLOW);
	try {
		const stat = fs.fstatSync(fd);
		requirePlain(stat);
		// Our own descriptor, by the kernel's link: the one link that is followed.
		return work(`/proc/self/fd/${fd}`, stat);
	} finally {
		fs.closeSync(fd);
	}
}

function requirePlain(stat: fs.Stats): void {
	if (stat.isFile() || stat.isDirectory()) return;
	throw new EntryFault("EACCES", stat.isSymbolicLink() ? "a link" : "a device, pipe or socket");
}

/** Opens the plain file at `place`. Never waits, never makes a terminal ours. @throws Error of the system, EntryFault */
export function openFile(place: Place, access: number): number {
	return withInode(place, (path, stat) => {
		if (!stat.isFile()) throw new EntryFault("EISDIR", "a folder");
		// Writing as root would keep the bit, and the program would run with its owner's rights.
		if (access !== O_RDONLY && (stat.mode & 0o6000) !== 0) throw new EntryFault("EACCES", "a setuid file");
		const extra = process.platform === "linux" ? O_NONBLOCK | O_NOCTTY : ((O_NOFOLLOW as number | undefined) ?? 0);
		return fs.openSync(path as never, access | extra);
	});
}
