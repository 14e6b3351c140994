/** Reads files of a Ghostty configuration: only regular ones, of the user's or the system's, of a sane size, and never one that blocks. */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from "node:fs";
import { reason } from "../errors.ts";
import type { ConfigReader, ReadResult } from "../ghostty/collect.ts";

/** The longest configuration that anybody has shown is a tenth of this. */
export const CONFIG_BYTES_MAX = 256 * 1024;

export const configReader: ConfigReader = { read };

function read(path: string): ReadResult {
	let fd: number;
	try {
		// Opening a device may do something, and opening a pipe waits: looked at before, and once more when it is open.
		const why = refuse(statSync(path));
		if (why !== null) return { kind: "refused", why };
		fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0));
	} catch (error) {
		const code = error instanceof Error && "code" in error ? error.code : "";
		return code === "ENOENT" || code === "ENOTDIR" ? { kind: "missing" } : { kind: "refused", why: reason(error) };
	}
	try {
		const stat = fstatSync(fd);
		const why = refuse(stat);
		if (why !== null) return { kind: "refused", why };
		// It may grow while it is read: one byte more than is allowed tells.
		const bytes = Buffer.alloc(CONFIG_BYTES_MAX + 1);
		let length = 0;
		for (let got = 1; got > 0 && length < bytes.length; length += got)
			got = readSync(fd, bytes, length, bytes.length - length, null);
		if (length > CONFIG_BYTES_MAX) return { kind: "refused", why: TOO_LARGE };
		return { kind: "text", id: `${stat.dev}:${stat.ino}`, text: bytes.toString("utf8", 0, length) };
	} catch (error) {
		return { kind: "refused", why: reason(error) };
	} finally {
		closeSync(fd);
	}
}

const TOO_LARGE = `it has more than ${CONFIG_BYTES_MAX / 1024} KiB`;

function refuse(stat: ReturnType<typeof statSync>): string | null {
	if (stat === undefined) return "it is gone";
	if (!stat.isFile()) return "it is no regular file";
	const uid = process.getuid?.();
	if (uid !== undefined && stat.uid !== uid && stat.uid !== 0) return "it belongs to somebody else";
	return stat.size > CONFIG_BYTES_MAX ? TOO_LARGE : null;
}
