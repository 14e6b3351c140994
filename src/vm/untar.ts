/**
 * Reads a tar archive as it streams by: plain files and folders of the ustar format (POSIX.1-1988), which is what our own builds write. Memory use does
 * not grow with the archive.
 */
import { closeSync, fchmodSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

const BLOCK_BYTES = 512;
const FILE = "0";
const FOLDER = "5";

interface Header {
	readonly name: string;
	readonly mode: number;
	readonly bytes: number;
	readonly type: string;
}

/** @throws Error if the archive is cut short, or has something other than files and folders below `folder`; the system's error */
export async function untar(archive: AsyncIterable<Uint8Array>, folder: string): Promise<void> {
	const reader = new Untar(folder);
	try {
		for await (const chunk of archive) reader.push(chunk);
		reader.end();
	} finally {
		reader.close();
	}
}

class Untar {
	readonly #folder: string;
	readonly #header = new Uint8Array(BLOCK_BYTES);
	#headerBytes = 0;
	/** Of the entry that is being read, and of the zeros that fill its last block. */
	#contentLeft = 0;
	#paddingLeft = 0;
	#fd: number | null = null;
	#isOver = false;

	constructor(folder: string) {
		this.#folder = folder;
	}

	push(chunk: Uint8Array): void {
		for (let at = 0; at < chunk.length && !this.#isOver; ) {
			const rest = chunk.subarray(at);
			if (this.#contentLeft > 0) at += this.#write(rest);
			else if (this.#paddingLeft > 0) at += this.#skip(rest);
			else at += this.#readHeader(rest);
		}
	}

	#write(bytes: Uint8Array): number {
		const part = bytes.subarray(0, this.#contentLeft);
		for (let done = 0; done < part.length; ) done += writeSync(this.#fd ?? -1, part, done, part.length - done);
		this.#contentLeft -= part.length;
		if (this.#contentLeft === 0) this.close();
		return part.length;
	}

	#skip(bytes: Uint8Array): number {
		const length = Math.min(bytes.length, this.#paddingLeft);
		this.#paddingLeft -= length;
		return length;
	}

	#readHeader(bytes: Uint8Array): number {
		const part = bytes.subarray(0, BLOCK_BYTES - this.#headerBytes);
		this.#header.set(part, this.#headerBytes);
		this.#headerBytes += part.length;
		if (this.#headerBytes === BLOCK_BYTES) {
			this.#headerBytes = 0;
			// Two blocks of zeros end an archive.
			if (this.#header.every((byte) => byte === 0)) this.#isOver = true;
			else this.#open(parseHeader(this.#header));
		}
		return part.length;
	}

	#open({ name, mode, bytes, type }: Header): void {
		const path = join(this.#folder, name);
		if (name.startsWith("/") || name.split("/").includes("..")) throw new Error(`tar: "${name}" leads out`);
		if (type === FOLDER) mkdirSync(path, { recursive: true });
		else if (type === FILE) {
			this.#fd = openSync(path, "wx", 0o600);
			// Whatever the user's umask.
			fchmodSync(this.#fd, mode & 0o777);
		} else throw new Error(`tar: "${name}" is neither a file nor a folder`);
		this.#contentLeft = bytes;
		this.#paddingLeft = (BLOCK_BYTES - (bytes % BLOCK_BYTES)) % BLOCK_BYTES;
		if (bytes === 0) this.close();
	}

	end(): void {
		if (!this.#isOver) throw new Error("tar: the archive is cut short");
	}

	close(): void {
		if (this.#fd !== null) closeSync(this.#fd);
		this.#fd = null;
	}
}

function parseHeader(block: Uint8Array): Header {
	const field = (from: number, length: number) => {
		const text = Buffer.from(block.subarray(from, from + length)).toString("utf8");
		const end = text.indexOf("\0");
		return end < 0 ? text : text.slice(0, end);
	};
	const number = (from: number, length: number) => {
		const text = field(from, length).trim();
		if (!/^[0-7]+$/.test(text)) throw new Error("tar: a header is damaged");
		return Number.parseInt(text, 8);
	};
	// The sum of all bytes, those of the sum itself counted as spaces.
	const sum = block.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
	if (field(257, 5) !== "ustar" || number(148, 8) !== sum) throw new Error("tar: a header is damaged");
	const prefix = field(345, 155);
	return {
		name: prefix === "" ? field(0, 100) : `${prefix}/${field(0, 100)}`,
		mode: number(100, 8),
		bytes: number(124, 12),
		type: field(156, 1) || FILE,
	};
}
