/**
 * Applies the changes of a work copy to the folder that it was made of. A file gets its name when it is whole; a launcher that is killed
 * in between is continued by applying again. What the host has changed since the copy was made is left alone and told.
 */
import * as fs from "node:fs";
import { reason } from "../../errors.ts";
import { components, type Place, Tree } from "../share/tree.ts";
import type { Change, Refusal } from "./changes.ts";

export interface ApplyOptions {
	/** Real path of the folder. */
	readonly root: string;
	/** File with the guest's stream. */
	readonly stream: string;
	/** When the copy was made: what was changed after that here is not overwritten. Milliseconds since 1970. */
	readonly since: number;
	/** Makes the names of temporary files; the same when it is done again. */
	readonly id: string;
}

export interface Applied {
	/** Number of changes that are in the folder now. */
	readonly done: number;
	/** Changed here too; left as they are here. */
	readonly conflicts: readonly Refusal[];
	/** The system said no. */
	readonly failed: readonly Refusal[];
}

const MODE_BITS = 0o777;
const CHUNK_BYTES = 1024 * 1024;
const CONFLICT = "it was changed here too";

type FileChange = Extract<Change, { type: "file" }>;

class Conflict extends Error {}

export function applyChanges(changes: readonly Change[], options: ApplyOptions): Applied {
	using applier = new Applier(options);
	const conflicts: Refusal[] = [];
	const failed: Refusal[] = [];
	let done = 0;
	const attempt = ({ path }: Change, work: () => void) => {
		try {
			work();
			return true;
		} catch (error) {
			if (error instanceof Conflict) conflicts.push({ path, why: error.message });
			else failed.push({ path, why: reason(error) });
			return false;
		}
	};
	for (const change of changes) if (attempt(change, () => applier.apply(change))) done++;
	// Last, and the innermost first: a folder may be one that nobody can write into.
	const folders = changes.filter((each): each is Extract<Change, { type: "folder" }> => each.type === "folder");
	for (const folder of folders.reverse()) attempt(folder, () => applier.setFolderMode(folder));
	return { done, conflicts, failed };
}

class Applier implements Disposable {
	readonly #options: ApplyOptions;
	readonly #tree: Tree;
	readonly #stream: number;

	constructor(options: ApplyOptions) {
		this.#options = options;
		this.#tree = new Tree(options.root);
		this.#stream = fs.openSync(options.stream, "r");
	}

	/** @throws Conflict; Error of the system, EntryFault */
	apply(change: Change): void {
		const path = Buffer.from(change.path, "latin1");
		using place = this.#tree.place(path);
		const there = lstat(place.path);
		switch (change.type) {
			case "gone":
				return this.#remove(path, there);
			case "folder":
				if (there === null) fs.mkdirSync(place.path as never, 0o700 | (change.mode & MODE_BITS));
				else if (!there.isDirectory()) throw new Conflict("there is no folder here any more");
				return;
			case "link": {
				if (isSameLink(place, there, change.target)) return;
				this.#checkReplaceable(there);
				const target = Buffer.from(change.target, "latin1");
				return this.#replace(path, (temporary) => fs.symlinkSync(target as never, temporary.path as never));
			}
			case "file":
				return this.#applyFile(change, path, place, there);
		}
	}

	#applyFile(change: FileChange, path: Buffer, place: Place, there: fs.Stats | null): void {
		if (this.#isSameFile(change, place, there)) {
			// Nothing of the content is lost, whoever wrote it.
			if (there && (there.mode & MODE_BITS) !== (change.mode & MODE_BITS)) chmodFile(place, change.mode & MODE_BITS);
			return;
		}
		this.#checkReplaceable(there);
		this.#replace(path, (temporary) => this.#writeFile(change, temporary, there));
	}

	#writeFile(change: FileChange, temporary: Place, there: fs.Stats | null): void {
		const { O_WRONLY, O_CREAT, O_EXCL } = fs.constants;
		const noFollow = (fs.constants.O_NOFOLLOW as number | undefined) ?? 0;
		const fd = fs.openSync(temporary.path as never, O_WRONLY | O_CREAT | O_EXCL | noFollow, 0o600);
		try {
			this.#eachChunk(change, (chunk) => writeAll(fd, chunk));
			// A launcher that runs as root works for somebody else: the file stays theirs.
			if (process.getuid?.() === 0 && there) fs.fchownSync(fd, there.uid, there.gid);
			fs.fchmodSync(fd, change.mode & MODE_BITS);
			fs.futimesSync(fd, change.mtime / 1000, change.mtime / 1000);
			fs.fsyncSync(fd);
		} finally {
			fs.closeSync(fd);
		}
	}

	/** Makes a new entry beside the old one and puts it in its place. */
	#replace(path: Buffer, make: (temporary: Place) => void): void {
		const parts = components(path);
		parts[parts.length - 1] = Buffer.from(`.virtualghost-work-${this.#options.id}`);
		using target = this.#tree.place(path);
		using temporary = this.#tree.place(Buffer.concat(parts.flatMap((part) => [Buffer.from("/"), part])));
		fs.rmSync(temporary.path as never, { force: true });
		try {
			make(temporary);
			fs.renameSync(temporary.path as never, target.path as never);
		} catch (error) {
			fs.rmSync(temporary.path as never, { force: true });
			throw error;
		}
	}

	#checkReplaceable(there: fs.Stats | null): void {
		if (there === null) return;
		if (there.isDirectory()) throw new Conflict("there is a folder in its place");
		if (!there.isFile() && !there.isSymbolicLink())
			throw new Conflict("there is a device, pipe or socket in its place");
		if (there.ctimeMs > this.#options.since) throw new Conflict(CONFLICT);
	}

	#remove(path: Buffer, there: fs.Stats | null): void {
		if (there === null) return;
		using place = this.#tree.place(path);
		if (!there.isDirectory()) {
			this.#checkReplaceable(there);
			return fs.unlinkSync(place.path as never);
		}
		let conflict: unknown = null;
		for (const name of listFolder(place.path)) {
			const each = Buffer.concat([path, Buffer.from("/"), name]);
			try {
				using child = this.#tree.place(each);
				this.#remove(each, lstat(child.path));
			} catch (error) {
				conflict ??= error instanceof Conflict ? new Conflict(`something in it was changed here too`) : error;
			}
		}
		if (conflict) throw conflict;
		fs.rmdirSync(place.path as never);
	}

	#isSameFile(change: FileChange, place: Place, there: fs.Stats | null): boolean {
		if (!there?.isFile() || there.size !== change.size) return false;
		const fd = fs.openSync(
			place.path as never,
			fs.constants.O_RDONLY | ((fs.constants.O_NOFOLLOW as number | undefined) ?? 0),
		);
		try {
			let isSame = true;
			let at = 0;
			const mine = Buffer.alloc(CHUNK_BYTES);
			this.#eachChunk(change, (chunk) => {
				if (!isSame) return;
				const count = fs.readSync(fd, mine, 0, chunk.length, at);
				at += count;
				isSame = count === chunk.length && mine.subarray(0, count).equals(chunk);
			});
			return isSame;
		} finally {
			fs.closeSync(fd);
		}
	}

	#eachChunk({ offset, size }: FileChange, take: (chunk: Buffer) => void): void {
		const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, Math.max(1, size)));
		for (let done = 0; done < size; ) {
			const count = fs.readSync(this.#stream, chunk, 0, Math.min(chunk.length, size - done), offset + done);
			if (count === 0) throw new Error("the saved changes break off");
			take(chunk.subarray(0, count));
			done += count;
		}
	}

	setFolderMode({ path, mode }: Extract<Change, { type: "folder" }>): void {
		using place = this.#tree.place(Buffer.from(path, "latin1"));
		const there = lstat(place.path);
		if (!there?.isDirectory() || (there.mode & MODE_BITS) === (mode & MODE_BITS)) return;
		// Bits beyond these are the host's own.
		fs.chmodSync(place.path as never, (there.mode & 0o7000) | (mode & MODE_BITS));
	}

	[Symbol.dispose](): void {
		fs.closeSync(this.#stream);
		this.#tree[Symbol.dispose]();
	}
}

function chmodFile(place: Place, mode: number): void {
	const fd = fs.openSync(
		place.path as never,
		fs.constants.O_RDONLY | ((fs.constants.O_NOFOLLOW as number | undefined) ?? 0),
	);
	try {
		fs.fchmodSync(fd, mode);
	} finally {
		fs.closeSync(fd);
	}
}

function isSameLink(place: Place, there: fs.Stats | null, target: string): boolean {
	if (!there?.isSymbolicLink()) return false;
	const mine = fs.readlinkSync(place.path as never, { encoding: "buffer" } as never) as unknown as Buffer;
	return mine.toString("latin1") === target;
}

function lstat(path: Buffer): fs.Stats | null {
	return fs.lstatSync(path as never, { throwIfNoEntry: false }) ?? null;
}

/** A real folder, not followed: `path` was looked at by lstat, and a link in its place now is read through the kernel's own check. */
function listFolder(path: Buffer): Buffer[] {
	const { O_RDONLY, O_DIRECTORY } = fs.constants;
	const fd = fs.openSync(
		path as never,
		O_RDONLY | (O_DIRECTORY ?? 0) | ((fs.constants.O_NOFOLLOW as number | undefined) ?? 0),
	);
	try {
		const at = process.platform === "linux" ? `/proc/self/fd/${fd}` : path;
		return fs.readdirSync(at as never, { encoding: "buffer" } as never) as unknown as Buffer[];
	} finally {
		fs.closeSync(fd);
	}
}

function writeAll(fd: number, bytes: Buffer): void {
	let done = 0;
	while (done < bytes.length) done += fs.writeSync(fd, bytes, done, bytes.length - done);
}
