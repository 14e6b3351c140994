/**
 * SFTP version 3 (draft-ietf-secsh-filexfer-02), the server's side, from and to bytes. What arrives was written by the guest: every
 * length is checked before it is believed. Pure.
 */

/** Largest packet that is accepted, its length word not counted: sshfs writes 32 KiB at a time, OpenSSH takes 256. */
export const PACKET_BYTES_MAX = 256 * 1024 + 1024;
/** PATH_MAX of Linux, its final zero included. */
const PATH_BYTES_MAX = 4096;
/** Most that one READ gives. */
export const READ_BYTES_MAX = 64 * 1024;

export const SFTP_VERSION = 3;

export const STATUS = {
	ok: 0,
	eof: 1,
	noSuchFile: 2,
	permissionDenied: 3,
	failure: 4,
	badMessage: 5,
	unsupported: 8,
} as const;

/** SSH_FXF_*: how a file is opened. */
export const OPEN = { read: 1, write: 2, append: 4, create: 8, truncate: 16, exclusive: 32 } as const;

export interface Attributes {
	readonly size?: number;
	readonly owner?: { readonly uid: number; readonly gid: number };
	readonly mode?: number;
	/** Seconds since 1970. */
	readonly times?: { readonly atime: number; readonly mtime: number };
}

/** Paths are bytes, as they are on Linux. */
export type SftpRequest = { readonly op: "init"; readonly version: number } | ({ readonly id: number } & Operation);

export type Operation =
	| { readonly op: "open"; readonly path: Buffer; readonly flags: number; readonly attributes: Attributes }
	| { readonly op: "close" | "fstat" | "readdir" | "fsync"; readonly handle: number }
	| { readonly op: "read"; readonly handle: number; readonly offset: number; readonly length: number }
	| { readonly op: "write"; readonly handle: number; readonly offset: number; readonly data: Buffer }
	| {
			readonly op: "lstat" | "stat" | "opendir" | "remove" | "rmdir" | "realpath" | "readlink" | "statvfs";
			readonly path: Buffer;
	  }
	| { readonly op: "setstat" | "mkdir"; readonly path: Buffer; readonly attributes: Attributes }
	| { readonly op: "fsetstat"; readonly handle: number; readonly attributes: Attributes }
	| { readonly op: "rename"; readonly from: Buffer; readonly to: Buffer; readonly replace: boolean }
	| { readonly op: "symlink"; readonly target: Buffer; readonly path: Buffer }
	| { readonly op: "unsupported" };

/** The bytes are no request: the connection is of no use any more. */
export class BadPacket extends Error {}

class Reader {
	readonly #bytes: Buffer;
	#at = 0;

	constructor(bytes: Buffer) {
		this.#bytes = bytes;
	}

	#take(length: number): number {
		const at = this.#at;
		if (length > this.#bytes.length - at) throw new BadPacket("a field is longer than its packet");
		this.#at += length;
		return at;
	}

	byte(): number {
		return this.#bytes.readUInt8(this.#take(1));
	}

	word(): number {
		return this.#bytes.readUInt32BE(this.#take(4));
	}

	/** Offsets and sizes: files are smaller than 2^53 bytes, so what is larger is refused. */
	long(): number {
		const value = this.#bytes.readBigUInt64BE(this.#take(8));
		if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new BadPacket("an offset or size beyond all files");
		return Number(value);
	}

	/** Not copied. */
	string(max: number): Buffer {
		const length = this.word();
		if (length > max) throw new BadPacket("a string is too long");
		const at = this.#take(length);
		return this.#bytes.subarray(at, at + length);
	}

	path(): Buffer {
		const path = this.string(PATH_BYTES_MAX - 1);
		if (path.includes(0)) throw new BadPacket("a path holds a NUL");
		return path;
	}

	handle(): number {
		// Ours are words of four bytes; what is none of ours is a handle that nobody has.
		const bytes = this.string(256);
		return bytes.length === 4 ? bytes.readUInt32BE(0) : -1;
	}

	attributes(): Attributes {
		const flags = this.word();
		const found: { -readonly [Key in keyof Attributes]: Attributes[Key] } = {};
		if (flags & 1) found.size = this.long();
		if (flags & 2) found.owner = { uid: this.word(), gid: this.word() };
		if (flags & 4) found.mode = this.word();
		if (flags & 8) found.times = { atime: this.word(), mtime: this.word() };
		if (flags & 0x8000_0000) {
			const count = this.word();
			// Each takes eight bytes at least: a count of four thousand million ends at the packet's end.
			for (let i = 0; i < count; i++) for (let part = 0; part < 2; part++) this.string(PACKET_BYTES_MAX);
		}
		return found;
	}
}

/** One packet without its length word. @throws BadPacket */
export function decodeRequest(bytes: Buffer): SftpRequest {
	const reader = new Reader(bytes);
	const type = reader.byte();
	if (type === 1) return { op: "init", version: reader.word() };
	const id = reader.word();
	return { id, ...decodeOperation(type, reader) };
}

function decodeOperation(type: number, reader: Reader): Operation {
	switch (type) {
		case 3:
			return { op: "open", path: reader.path(), flags: reader.word(), attributes: reader.attributes() };
		case 4:
			return { op: "close", handle: reader.handle() };
		case 5:
			return { op: "read", handle: reader.handle(), offset: reader.long(), length: reader.word() };
		case 6:
			return { op: "write", handle: reader.handle(), offset: reader.long(), data: reader.string(PACKET_BYTES_MAX) };
		case 7:
			return { op: "lstat", path: reader.path() };
		case 8:
			return { op: "fstat", handle: reader.handle() };
		case 9:
			return { op: "setstat", path: reader.path(), attributes: reader.attributes() };
		case 10:
			return { op: "fsetstat", handle: reader.handle(), attributes: reader.attributes() };
		case 11:
			return { op: "opendir", path: reader.path() };
		case 12:
			return { op: "readdir", handle: reader.handle() };
		case 13:
			return { op: "remove", path: reader.path() };
		case 14:
			return { op: "mkdir", path: reader.path(), attributes: reader.attributes() };
		case 15:
			return { op: "rmdir", path: reader.path() };
		case 16:
			return { op: "realpath", path: reader.path() };
		case 17:
			return { op: "stat", path: reader.path() };
		case 18:
			return { op: "rename", from: reader.path(), to: reader.path(), replace: false };
		case 19:
			return { op: "readlink", path: reader.path() };
		case 20:
			// In OpenSSH's order, which every client follows.
			return { op: "symlink", target: reader.path(), path: reader.path() };
		case 200:
			return decodeExtended(reader);
		default:
			return { op: "unsupported" };
	}
}

function decodeExtended(reader: Reader): Operation {
	switch (reader.string(256).toString("latin1")) {
		case "posix-rename@openssh.com":
			return { op: "rename", from: reader.path(), to: reader.path(), replace: true };
		case "statvfs@openssh.com":
			return { op: "statvfs", path: reader.path() };
		case "fsync@openssh.com":
			return { op: "fsync", handle: reader.handle() };
		default:
			// No hard links, and nothing that opens more than this.
			return { op: "unsupported" };
	}
}

/** Cuts a stream of bytes into packets. What it holds back is bounded by the largest packet. */
export class PacketSplitter {
	#pending: Buffer = Buffer.alloc(0);

	/** @throws BadPacket for a length that no packet has */
	push(bytes: Uint8Array): Buffer[] {
		this.#pending = this.#pending.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#pending, bytes]);
		const packets: Buffer[] = [];
		let at = 0;
		while (this.#pending.length - at >= 4) {
			const length = this.#pending.readUInt32BE(at);
			if (length === 0 || length > PACKET_BYTES_MAX) throw new BadPacket("a packet of an impossible length");
			if (this.#pending.length - at - 4 < length) break;
			packets.push(this.#pending.subarray(at + 4, at + 4 + length));
			at += 4 + length;
		}
		this.#pending = this.#pending.subarray(at);
		return packets;
	}
}

type Field = number | bigint | Buffer | { readonly byte: number };

/** Numbers are words, bigints twice as long, buffers strings. */
function packet(type: number, ...fields: readonly Field[]): Buffer {
	const parts: Buffer[] = [];
	for (const field of fields) {
		if (Buffer.isBuffer(field)) {
			parts.push(word(field.length), field);
		} else if (typeof field === "bigint") {
			const part = Buffer.alloc(8);
			part.writeBigUInt64BE(field);
			parts.push(part);
		} else parts.push(word(field as number));
	}
	const length = parts.reduce((sum, part) => sum + part.length, 1);
	return Buffer.concat([word(length), Buffer.of(type), ...parts]);
}

function word(value: number): Buffer {
	const part = Buffer.alloc(4);
	part.writeUInt32BE(value >>> 0);
	return part;
}

const text = (words: string) => Buffer.from(words, "latin1");

export function versionReply(): Buffer {
	const extensions = ["posix-rename@openssh.com", "1", "statvfs@openssh.com", "2", "fsync@openssh.com", "1"];
	return packet(2, SFTP_VERSION, ...extensions.map(text));
}

export function statusReply(id: number, code: number, message = ""): Buffer {
	return packet(101, id, code, text(message), text(""));
}

export function handleReply(id: number, handle: number): Buffer {
	return packet(102, id, word(handle));
}

export function dataReply(id: number, data: Buffer): Buffer {
	return packet(103, id, data);
}

/** What the guest is told of a file. */
export interface Stat {
	readonly size: number;
	/** With the type's bits. */
	readonly mode: number;
	readonly atime: number;
	readonly mtime: number;
	readonly uid: number;
	readonly gid: number;
}

function statFields({ size, mode, atime, mtime, uid, gid }: Stat): Field[] {
	return [1 | 2 | 4 | 8, BigInt(size), uid, gid, mode, seconds(atime), seconds(mtime)];
}

/** The protocol has 32 bits without a sign. */
function seconds(value: number): number {
	return Math.min(0xffff_ffff, Math.max(0, Math.floor(value)));
}

export function attributesReply(id: number, stat: Stat): Buffer {
	return packet(105, id, ...statFields(stat));
}

export interface NamedStat {
	readonly name: Buffer;
	readonly stat: Stat | null;
}

export function nameReply(id: number, names: readonly NamedStat[]): Buffer {
	const fields = names.flatMap(({ name, stat }): Field[] => [name, text(""), ...(stat ? statFields(stat) : [0])]);
	return packet(104, id, names.length, ...fields);
}

export interface FileSystemStat {
	readonly blockSize: number;
	readonly blocks: number;
	readonly free: number;
	readonly available: number;
	readonly files: number;
	readonly filesFree: number;
	readonly readOnly: boolean;
}

export function statvfsReply(id: number, stat: FileSystemStat): Buffer {
	const { blockSize, blocks, free, available, files, filesFree, readOnly } = stat;
	const flags = (readOnly ? 1 : 0) | 2; // ST_NOSUID.
	const values = [blockSize, blockSize, blocks, free, available, files, filesFree, filesFree, 0, flags, 255];
	return packet(201, id, ...values.map((value) => BigInt(Math.max(0, Math.floor(value)))));
}
