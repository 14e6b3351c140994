/** What the guest answers, judged by its shape: a request may be answered with a reply of another kind. Pure. */
import { constants } from "node:fs";
import { Fault } from "../../errors.ts";

export type EntryType = "file" | "folder" | "link" | "special";

export interface RemoteStat {
	readonly type: EntryType;
	/** Permission bits with setuid, setgid and sticky. */
	readonly mode: number;
	/** Bytes; 0 where the guest says nothing sensible. */
	readonly size: number;
	/** Seconds since 1970; undefined if the guest did not say. */
	readonly mtime: number | undefined;
}

export interface RemoteEntry {
	readonly name: string;
	readonly stat: RemoteStat;
}

export function nonsense(): Fault {
	return new Fault("The machine's SFTP server answered nonsense", { fix: "do not trust what is in this machine" });
}

export function nothing(): void {}

export function asHandle(value: unknown): Buffer {
	if (Buffer.isBuffer(value)) return value;
	throw nonsense();
}

export function asText(value: unknown): string {
	if (typeof value === "string") return value;
	throw nonsense();
}

export function asEntries(value: unknown): RemoteEntry[] {
	if (!Array.isArray(value)) throw nonsense();
	return value.map((entry: { filename?: unknown; attrs?: unknown }) => ({
		name: asText(entry.filename),
		stat: asStat(entry.attrs),
	}));
}

export function asStat(value: unknown): RemoteStat {
	if (typeof value !== "object" || value === null || Array.isArray(value) || Buffer.isBuffer(value)) throw nonsense();
	const { mode, size, mtime } = value as Record<string, unknown>;
	const bits = typeof mode === "number" ? mode : 0;
	return {
		type: typeOf(bits),
		mode: bits & 0o7777,
		size: typeof size === "number" && Number.isSafeInteger(size) && size >= 0 ? size : 0,
		mtime: typeof mtime === "number" ? mtime : undefined,
	};
}

export function typeOf(mode: number): EntryType {
	switch (mode & constants.S_IFMT) {
		case constants.S_IFREG:
			return "file";
		case constants.S_IFDIR:
			return "folder";
		case constants.S_IFLNK:
			return "link";
		default:
			return "special";
	}
}
