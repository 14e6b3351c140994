/** The changes of a work copy, read back from the file into which the guest's stream was written, and judged. Nothing is applied here. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import {
	decodeWorkEntry,
	WORK_ENTRIES_MAX,
	WORK_HEADER,
	WORK_LINE_BYTES_MAX,
	type WorkEntry,
} from "../../wire/work.ts";
import { linkProblem } from "../share/links.ts";

/** Paths and targets are bytes, as Latin-1 text. */
export type Change =
	| { readonly type: "gone"; readonly path: string }
	| { readonly type: "folder"; readonly path: string; readonly mode: number }
	| { readonly type: "link"; readonly path: string; readonly target: string }
	| {
			readonly type: "file";
			readonly path: string;
			readonly mode: number;
			readonly size: number;
			/** Milliseconds since 1970. */
			readonly mtime: number;
			/** Where its bytes begin in the stream's file. */
			readonly offset: number;
	  };

export interface Refusal {
	readonly path: string;
	readonly why: string;
}

export interface Changes {
	readonly changes: readonly Change[];
	readonly refused: readonly Refusal[];
}

/** The stream is none, or not whole. */
export class BadStream extends Error {}

const DEPTH_MAX = 256;
const NAME_BYTES_MAX = 255;
const SETUID_BITS = 0o6000;

/** Why a path of the guest's may not become one here; null if it may. Pure. */
export function pathProblem(path: string): string | null {
	const parts = path.split("/");
	if (path.includes("\0")) return "its path holds a NUL";
	if (parts.includes("..")) return "its path leads out of the folder";
	if (path.startsWith("/")) return "its path is absolute";
	if (parts.some((part) => part === "" || part === ".")) return "its path is malformed";
	if (parts.some((part) => part.length > NAME_BYTES_MAX)) return "its name is too long";
	return parts.length > DEPTH_MAX ? "it lies too deep" : null;
}

/** Takes the entries one by one, in their order, and keeps what may be applied. Pure. */
export class Judge {
	readonly changes: Change[] = [];
	readonly refused: Refusal[] = [];
	/** What stands at each path, so that nothing is said twice and nothing lies in what is no folder. */
	readonly #seen = new Map<string, Change["type"] | "refused">();
	readonly #gone = new Set<string>();

	/** @throws BadStream for what no honest guest says */
	take(entry: Exclude<WorkEntry, { type: "end" }>, offset: number): void {
		const { path } = entry;
		if (entry.type === "refused") return this.#retract(entry);
		const earlier = entry.type === "gone" ? this.#gone.has(path) || this.#seen.has(path) : this.#seen.has(path);
		if (earlier) throw new BadStream(`it says twice what became of ${JSON.stringify(path)}`);
		const why = pathProblem(path) ?? this.#orphanProblem(path) ?? entryProblem(entry);
		if (entry.type === "gone") this.#gone.add(path);
		if (why !== null) {
			this.#refuse(path, why);
			return;
		}
		if (entry.type !== "gone") this.#seen.set(path, entry.type);
		if (entry.type === "folder" && (entry.mode & SETUID_BITS) !== 0)
			this.refused.push({ path, why: "its setuid or setgid bit" });
		this.changes.push(entry.type === "file" ? { ...entry, offset } : entry);
	}

	#refuse(path: string, why: string): void {
		this.#seen.set(path, "refused");
		this.refused.push({ path, why });
	}

	#orphanProblem(path: string): string | null {
		const slash = path.lastIndexOf("/");
		if (slash < 0) return null;
		const folder = this.#seen.get(path.slice(0, slash));
		return folder === "folder" ? null : "what it lies in is no folder";
	}

	/** A file that turned out to be torn was announced as a good one. */
	#retract({ path, why }: Extract<WorkEntry, { type: "refused" }>): void {
		const at = this.changes.findLastIndex((each) => each.path === path && each.type === "file");
		if (at >= 0) this.changes.splice(at, 1);
		else if (this.#seen.has(path)) throw new BadStream(`it says twice what became of ${JSON.stringify(path)}`);
		this.#refuse(path, why);
	}
}

function entryProblem(entry: WorkEntry): string | null {
	if (entry.type === "link") {
		return linkProblem(Buffer.from(entry.target, "latin1"), entry.path.split("/").length - 1);
	}
	if (entry.type === "file" && (entry.mode & SETUID_BITS) !== 0) return "its setuid or setgid bit";
	return null;
}

const BUFFER_BYTES = 256 * 1024;

/** Reads lines and skips contents. */
class StreamFile {
	readonly #fd: number;
	readonly #buffer = Buffer.alloc(BUFFER_BYTES);
	/** Of the buffer's first byte in the file, and how much of the buffer is filled. */
	#from = 0;
	#filled = 0;
	/** Of the next byte to be read. */
	at = 0;

	constructor(fd: number) {
		this.#fd = fd;
	}

	/** Null at the end of the file. @throws BadStream for a line without an end */
	line(): string | null {
		const parts: Buffer[] = [];
		let length = 0;
		for (;;) {
			const chunk = this.#available();
			if (chunk.length === 0) {
				if (length > 0) throw new BadStream("it breaks off");
				return null;
			}
			const end = chunk.indexOf(10);
			const part = end < 0 ? chunk : chunk.subarray(0, end);
			length += part.length;
			if (length > WORK_LINE_BYTES_MAX) throw new BadStream("a line is too long");
			parts.push(Buffer.from(part));
			this.at += part.length + (end < 0 ? 0 : 1);
			if (end >= 0) return Buffer.concat(parts).toString("utf8");
		}
	}

	#available(): Buffer {
		const inside = this.at - this.#from;
		if (inside >= 0 && inside < this.#filled) return this.#buffer.subarray(inside, this.#filled);
		this.#from = this.at;
		this.#filled = readSync(this.#fd, this.#buffer, 0, BUFFER_BYTES, this.at);
		return this.#buffer.subarray(0, this.#filled);
	}
}

/** @throws BadStream; Error of the system */
export function readChanges(path: string): Changes {
	const fd = openSync(path, "r");
	try {
		const { size } = fstatSync(fd);
		const stream = new StreamFile(fd);
		if (stream.line() !== WORK_HEADER) throw new BadStream("it is of another version, or no list of changes");
		const judge = new Judge();
		for (let count = 0; ; count++) {
			const entry = decode(stream.line());
			if (entry.type === "end") {
				if (entry.entries !== count) throw new BadStream("entries are missing");
				if (stream.at !== size) throw new BadStream("something follows its end");
				return { changes: judge.changes, refused: judge.refused };
			}
			if (count >= WORK_ENTRIES_MAX) throw new BadStream("it has too many entries");
			judge.take(entry, stream.at);
			if (entry.type !== "file") continue;
			stream.at += entry.size;
			if (stream.at > size) throw new BadStream("it breaks off");
		}
	} finally {
		closeSync(fd);
	}
}

function decode(line: string | null): WorkEntry {
	if (line === null) throw new BadStream("it breaks off");
	try {
		return decodeWorkEntry(line);
	} catch {
		throw new BadStream("a line of it is malformed");
	}
}

/** The bytes of a changed file. @throws Error of the system */
export function readContent(stream: string, { offset, size }: Extract<Change, { type: "file" }>): Buffer {
	const content = Buffer.alloc(size);
	const fd = openSync(stream, "r");
	try {
		let done = 0;
		while (done < size) {
			const count = readSync(fd, content, done, size - done, offset + done);
			if (count === 0) throw new BadStream("it breaks off");
			done += count;
		}
		return content;
	} finally {
		closeSync(fd);
	}
}
