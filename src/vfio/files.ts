/**
 * The only way by which `vfio/` reads: a few questions about files. Tests answer them from memory, so that every rule is
 * tested on any system; `hostFiles` answers them from this one.
 */
import { accessSync, closeSync, constants, openSync, readdirSync, readlinkSync, readSync, realpathSync } from "node:fs";
import { posix } from "node:path";

/** Nothing throws: null (or false) stands for all that cannot be read, for whatever reason. Paths are absolute. */
export interface Files {
	/** The file's text, cut off at a limit. */
	read(path: string): string | null;
	/** Names in a folder, in no order. */
	list(path: string): readonly string[] | null;
	/** What a symbolic link says, unresolved. */
	link(path: string): string | null;
	/** The path with all links resolved. */
	real(path: string): string | null;
	/** This user may open it for reading and writing. */
	mayOpen(path: string): boolean;
}

/** An attribute of sysfs is a page, a few hold more. */
const SYSFS_BYTES_MAX = 64 * 1024;
/** `modules.dep` and `pci.ids` are about 1 MB, `mountinfo` and `interrupts` of big machines may be. */
const FILE_BYTES_MAX = 4 * 1024 * 1024;
const NAMES_MAX = 65_536;

/** Files of this machine; with `root`, of the tree below that folder. */
export function hostFiles(root = ""): Files {
	const at = (path: string) => root + posix.normalize(path);
	return {
		read: (path) => orNull(() => readUpTo(at(path), path.startsWith("/sys/") ? SYSFS_BYTES_MAX : FILE_BYTES_MAX)),
		list: (path) => orNull(() => readdirSync(at(path)).slice(0, NAMES_MAX)),
		link: (path) => orNull(() => readlinkSync(at(path))),
		real: (path) =>
			orNull(() => {
				const found = realpathSync(at(path));
				return found.startsWith(root) ? found.slice(root.length) || "/" : null;
			}),
		mayOpen: (path) =>
			orNull(() => {
				accessSync(at(path), constants.R_OK | constants.W_OK);
				return true;
			}) === true,
	};
}

function orNull<T>(question: () => T): T | null {
	try {
		return question();
	} catch {
		return null;
	}
}

function readUpTo(path: string, bytesMax: number): string {
	// A FIFO under one of these names must not hold us up.
	const fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
	try {
		const chunks: Buffer[] = [];
		let total = 0;
		while (total < bytesMax) {
			const chunk = Buffer.alloc(Math.min(64 * 1024, bytesMax - total));
			const bytes = readSync(fd, chunk, 0, chunk.length, null);
			if (bytes === 0) break;
			chunks.push(chunk.subarray(0, bytes));
			total += bytes;
		}
		return Buffer.concat(chunks).toString("utf8");
	} finally {
		closeSync(fd);
	}
}
