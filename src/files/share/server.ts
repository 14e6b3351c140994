/**
 * Serves one folder of the host's to the guest over SFTP: the guest's sshfs is the client. Everything that arrives is the guest's, so
 * each request is checked here, whatever sshfs would have asked.
 */
import * as fs from "node:fs";
import { EntryFault } from "./entry-fault.ts";
import { isForeignPath, linkProblem } from "./links.ts";
import {
	type Attributes,
	attributesReply,
	dataReply,
	type FileSystemStat,
	handleReply,
	type NamedStat,
	nameReply,
	OPEN,
	type Operation,
	READ_BYTES_MAX,
	type SftpRequest,
	STATUS,
	type Stat,
	statusReply,
	statvfsReply,
	versionReply,
} from "./packets.ts";
import { components, openFile, type Place, Tree, withInode } from "./tree.ts";

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC } = fs.constants;
const O_NOFOLLOW = (fs.constants.O_NOFOLLOW as number | undefined) ?? 0;

export interface ShareOptions {
	/** Real path of the folder. */
	readonly root: string;
	readonly writable: boolean;
	/** Whom the guest sees as the owner of everything. */
	readonly uid: number;
	readonly gid: number;
}

/** Open files and folders; sshfs has as many as the guest's programs. */
const HANDLES_MAX = 1024;
/** Entries of one READDIR reply: far below a packet's size with the longest names. */
const NAMES_MAX = 100;
const MODE_BITS = 0o777;
const SETUID_BITS = 0o6000;

type Handle =
	| { readonly kind: "file"; readonly fd: number }
	| { readonly kind: "folder"; readonly path: Buffer; names: Buffer[] };

/** Answers requests one after the other, in their order. */
export class ShareServer implements Disposable {
	readonly #options: ShareOptions;
	readonly #tree: Tree;
	readonly #handles = new Map<number, Handle>();
	#next = 1;

	/** @throws Error of the system where the folder cannot be opened */
	constructor(options: ShareOptions) {
		this.#options = options;
		this.#tree = new Tree(options.root);
	}

	/** The reply's bytes. Never rejects: what the system refuses is a reply too. */
	async answer(request: SftpRequest): Promise<Buffer> {
		if (request.op === "init") return versionReply();
		const { id } = request;
		try {
			return await this.#perform(id, request);
		} catch (error) {
			return statusReply(id, statusOf(error));
		}
	}

	async #perform(id: number, request: Operation): Promise<Buffer> {
		const done = () => statusReply(id, STATUS.ok);
		switch (request.op) {
			case "lstat":
			case "stat":
				// The same: the guest's kernel follows links by itself.
				return attributesReply(id, this.#lstat(request.path));
			case "fstat":
				return attributesReply(id, this.#describe(fs.fstatSync(this.#file(request.handle))));
			case "opendir":
				return handleReply(id, this.#openFolder(request.path));
			case "readdir":
				return this.#readFolder(id, request.handle);
			case "open":
				return handleReply(id, this.#open(request.path, request.flags, request.attributes));
			case "close":
				this.#close(request.handle);
				return done();
			case "read":
				return await this.#read(id, request.handle, request.offset, request.length);
			case "readlink":
				return nameReply(id, [{ name: this.#readlink(request.path), stat: null }]);
			case "realpath":
				return nameReply(id, [{ name: Buffer.concat([Buffer.from("/"), join(components(request.path))]), stat: null }]);
			case "statvfs":
				return statvfsReply(id, this.#statvfs());
			case "unsupported":
				return statusReply(id, STATUS.unsupported);
			default:
				if (!this.#options.writable) return statusReply(id, STATUS.permissionDenied, "read-only");
				await this.#change(request);
				return done();
		}
	}

	/** Everything that writes. */
	async #change(request: Exclude<Operation, { op: "unsupported" | "read" | "open" }>): Promise<void> {
		switch (request.op) {
			case "write":
				return await writeAll(this.#file(request.handle), request.data, request.offset);
			case "fsync":
				return fs.fsyncSync(this.#file(request.handle));
			case "fsetstat":
				return this.#setAttributes(
					`/proc/self/fd/${this.#file(request.handle)}`,
					this.#file(request.handle),
					request.attributes,
				);
			case "setstat":
				return this.#setstat(request.path, request.attributes);
			case "remove":
				return this.#at(request.path, ({ path }) => fs.unlinkSync(path as never));
			case "rmdir":
				return this.#at(request.path, ({ path }) => fs.rmdirSync(path as never));
			case "mkdir":
				return this.#at(
					request.path,
					({ path }) => void fs.mkdirSync(path as never, (request.attributes.mode ?? MODE_BITS) & MODE_BITS),
				);
			case "rename":
				return this.#rename(request.from, request.to, request.replace);
			case "symlink":
				return this.#symlink(request.target, request.path);
			default:
				throw new EntryFault("ENOSYS", "not served");
		}
	}

	/** The folder itself is no entry that could be changed. */
	#at<T>(path: Buffer, work: (place: Place) => T): T {
		if (components(path).length === 0) throw new EntryFault("EACCES", "the folder itself");
		using place = this.#tree.place(path);
		return work(place);
	}

	#lstat(path: Buffer): Stat {
		using place = this.#tree.place(path);
		return this.#describe(fs.lstatSync(place.path as never));
	}

	#describe(stat: fs.Stats): Stat {
		const { uid, gid } = this.#options;
		// No setuid bit of the host's means anything in the guest.
		const mode = (stat.mode & ~0o7777) | (stat.mode & MODE_BITS);
		return { size: stat.size, mode, atime: stat.atimeMs / 1000, mtime: stat.mtimeMs / 1000, uid, gid };
	}

	#add(handle: Handle): number {
		const id = this.#next++ >>> 0;
		this.#handles.set(id, handle);
		return id;
	}

	#checkRoom(): void {
		if (this.#handles.size >= HANDLES_MAX) throw new EntryFault("EMFILE", "too many open files");
	}

	#file(handle: number): number {
		const found = this.#handles.get(handle);
		if (found?.kind !== "file") throw new EntryFault("EBADF", "no open file");
		return found.fd;
	}

	#close(handle: number): void {
		const found = this.#handles.get(handle);
		if (!found) throw new EntryFault("EBADF", "no open file");
		this.#handles.delete(handle);
		if (found.kind === "file") fs.closeSync(found.fd);
	}

	#open(path: Buffer, flags: number, attributes: Attributes): number {
		this.#checkRoom();
		const writes = (flags & (OPEN.write | OPEN.append | OPEN.create | OPEN.truncate)) !== 0;
		if (writes && !this.#options.writable) throw new EntryFault("EROFS", "read-only");
		const access = !writes ? O_RDONLY : (flags & OPEN.read) !== 0 ? O_RDWR : O_WRONLY;
		const fd = this.#at(path, (place) => {
			try {
				if ((flags & OPEN.create) !== 0) return this.#create(place, access, attributes);
			} catch (error) {
				if (codeOf(error) !== "EEXIST" || (flags & OPEN.exclusive) !== 0) throw error;
			}
			return openFile(place, access | ((flags & OPEN.truncate) !== 0 ? O_TRUNC : 0));
		});
		return this.#add({ kind: "file", fd });
	}

	#create({ path }: Place, access: number, { mode = 0o644 }: Attributes): number {
		return fs.openSync(path as never, access | O_CREAT | O_EXCL | O_NOFOLLOW, mode & MODE_BITS);
	}

	#openFolder(path: Buffer): number {
		this.#checkRoom();
		using place = this.#tree.place(path);
		const names = withInode(place, (real, stat) => {
			if (!stat.isDirectory()) throw new EntryFault("ENOTDIR", "no folder");
			return fs.readdirSync(real as never, { encoding: "buffer" } as never) as unknown as Buffer[];
		});
		return this.#add({ kind: "folder", path: Buffer.from(path), names });
	}

	#readFolder(id: number, handle: number): Buffer {
		const folder = this.#handles.get(handle);
		if (folder?.kind !== "folder") throw new EntryFault("EBADF", "no open folder");
		const batch: NamedStat[] = [];
		while (batch.length === 0 && folder.names.length > 0) {
			for (const name of folder.names.splice(0, NAMES_MAX)) {
				try {
					batch.push({ name, stat: this.#lstat(join([folder.path, name])) });
				} catch {
					// Removed since the folder was read.
				}
			}
		}
		return batch.length === 0 ? statusReply(id, STATUS.eof) : nameReply(id, batch);
	}

	async #read(id: number, handle: number, offset: number, length: number): Promise<Buffer> {
		const data = Buffer.allocUnsafe(Math.min(length, READ_BYTES_MAX));
		const count = await readSome(this.#file(handle), data, offset);
		return count === 0 && length > 0 ? statusReply(id, STATUS.eof) : dataReply(id, data.subarray(0, count));
	}

	#readlink(path: Buffer): Buffer {
		using place = this.#tree.place(path);
		return fs.readlinkSync(place.path as never, { encoding: "buffer" } as never) as unknown as Buffer;
	}

	#statvfs(): FileSystemStat {
		const { bsize, blocks, bfree, bavail, files, ffree } = fs.statfsSync(this.#tree.rootPath);
		const readOnly = !this.#options.writable;
		return { blockSize: bsize, blocks, free: bfree, available: bavail, files, filesFree: ffree, readOnly };
	}

	#setstat(path: Buffer, attributes: Attributes): void {
		using place = this.#tree.place(path);
		if (fs.lstatSync(place.path as never).isSymbolicLink()) {
			this.#checkOwner(attributes);
			// A link's own mode means nothing.
			if (attributes.times) fs.lutimesSync(place.path as never, attributes.times.atime, attributes.times.mtime);
			return;
		}
		if (attributes.size === undefined) return withInode(place, (real) => this.#setAttributes(real, null, attributes));
		const fd = openFile(place, O_WRONLY);
		try {
			this.#setAttributes(`/proc/self/fd/${fd}`, fd, attributes);
		} finally {
			fs.closeSync(fd);
		}
	}

	#checkOwner({ owner }: Attributes): void {
		const { uid, gid } = this.#options;
		if (owner && (owner.uid !== uid || owner.gid !== gid)) throw new EntryFault("EACCES", "an owner");
	}

	#setAttributes(path: Buffer | string, fd: number | null, attributes: Attributes): void {
		const { size, mode, times } = attributes;
		this.#checkOwner(attributes);
		if (mode !== undefined && (mode & SETUID_BITS) !== 0) throw new EntryFault("EACCES", "a setuid bit");
		if (size !== undefined && fd !== null) fs.ftruncateSync(fd, size);
		if (mode !== undefined) {
			if (fd === null) fs.chmodSync(path as never, mode & MODE_BITS);
			else fs.fchmodSync(fd, mode & MODE_BITS);
		}
		if (!times) return;
		if (fd === null) fs.utimesSync(path as never, times.atime, times.mtime);
		else fs.futimesSync(fd, times.atime, times.mtime);
	}

	#rename(from: Buffer, to: Buffer, replace: boolean): void {
		this.#at(from, (source) =>
			this.#at(to, (target) => {
				const stat = fs.lstatSync(source.path as never);
				if (stat.isSymbolicLink()) {
					this.#checkLink(
						fs.readlinkSync(source.path as never, { encoding: "buffer" } as never) as unknown as Buffer,
						target.depth,
					);
				} else if (stat.isDirectory() && target.depth < source.depth) {
					// A link in it that leads up would lead out: the guest's mv makes it anew, link by link.
					throw new EntryFault("EXDEV", "a folder cannot be moved up");
				}
				if (!replace && exists(target.path)) throw new EntryFault("EEXIST", "it exists");
				fs.renameSync(source.path as never, target.path as never);
			}),
		);
	}

	#symlink(target: Buffer, path: Buffer): void {
		this.#at(path, (place) => {
			this.#checkLink(target, place.depth);
			fs.symlinkSync(target as never, place.path as never);
		});
	}

	#checkLink(target: Buffer, depth: number): void {
		const problem = linkProblem(target, depth);
		if (problem !== null) throw new EntryFault("EACCES", problem);
		if (isForeignPath(target, process.platform)) throw new EntryFault("EACCES", "no path of this host");
	}

	[Symbol.dispose](): void {
		for (const handle of this.#handles.values()) if (handle.kind === "file") fs.closeSync(handle.fd);
		this.#handles.clear();
		this.#tree[Symbol.dispose]();
	}
}

function join(parts: readonly Buffer[]): Buffer {
	return Buffer.concat(parts.flatMap((part, i) => (i === 0 ? [part] : [Buffer.from("/"), part])));
}

function exists(path: Buffer): boolean {
	try {
		fs.lstatSync(path as never);
		return true;
	} catch (error) {
		if (codeOf(error) === "ENOENT") return false;
		throw error;
	}
}

function codeOf(error: unknown): string {
	return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** All that the protocol can say. */
function statusOf(error: unknown): number {
	switch (codeOf(error)) {
		case "ENOENT":
		case "ENOTDIR":
			return STATUS.noSuchFile;
		case "EACCES":
		case "EPERM":
		case "EROFS":
			return STATUS.permissionDenied;
		case "ENOSYS":
			return STATUS.unsupported;
		default:
			return STATUS.failure;
	}
}

function readSome(fd: number, into: Buffer, offset: number): Promise<number> {
	return new Promise((resolve, reject) => {
		fs.read(fd, into, 0, into.length, offset, (error, count) => (error ? reject(error) : resolve(count)));
	});
}

async function writeAll(fd: number, data: Buffer, offset: number): Promise<void> {
	let done = 0;
	while (done < data.length) {
		const count = await new Promise<number>((resolve, reject) => {
			fs.write(fd, data, done, data.length - done, offset + done, (error, count) =>
				error ? reject(error) : resolve(count),
			);
		});
		if (count === 0) throw new EntryFault("ENOSPC", "nothing was written");
		done += count;
	}
}
