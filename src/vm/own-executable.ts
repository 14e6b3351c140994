/**
 * The launcher's own executable as the disk of its machines (Linux). It is opened once, through /proc/self/exe, and QEMU inherits the
 * descriptor: whoever replaces or deletes the file meanwhile changes nothing for a machine that runs, and an image of one build
 * never meets the kernel of another. docs/decisions/zero-copy.md
 */
import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readlinkSync, readSync, statSync } from "node:fs";
import { reason } from "../errors.ts";
import type { AssetName, Manifest } from "./manifest.ts";
import { decodeTable, type Part, readSamples, TAIL_BYTES, tableBytes } from "./part-table.ts";

/** Assets that need no copy: QEMU can use a part of a file as a disk. */
export const IN_PLACE = ["root", "guest"] as const satisfies readonly AssetName[];
export type InPlace = (typeof IN_PLACE)[number];

const SELF = "/proc/self/exe";

/** The executable, open, with the places of its images. */
export class OwnExecutable implements Disposable {
	readonly fd: number;
	/** Where it lay when it was opened. */
	readonly path: string;
	readonly parts: Readonly<Record<InPlace, Part>>;

	private constructor(fd: number, path: string, parts: Readonly<Record<InPlace, Part>>) {
		this.fd = fd;
		this.path = path;
		this.parts = parts;
	}

	/**
	 * Checks the places by size and by a sample of each image, which costs a millisecond; `verify` reads them whole. Gives the reason
	 * where the images have to be extracted. `path` is for tests.
	 */
	static open(manifest: Manifest, path = SELF): OwnExecutable | { readonly why: string } {
		if (process.platform !== "linux") return { why: `images are used in place on Linux only` };
		let fd: number | null = null;
		try {
			fd = openSync(path, "r");
			const parts = findParts(fd, manifest);
			if ("why" in parts) return parts;
			const place = path === SELF ? readlinkSync(path) : path;
			if (!isSameFile(fd, place)) return { why: "the executable has been replaced or deleted" };
			const opened = new OwnExecutable(fd, place, parts.found);
			fd = null;
			return opened;
		} catch (error) {
			return { why: `the executable cannot be read: ${reason(error)}` };
		} finally {
			if (fd !== null) closeSync(fd);
		}
	}

	/** SHA-256 of a part, all of it. */
	hash(name: InPlace): string {
		const { offset, size } = this.parts[name];
		const hash = createHash("sha256");
		const buffer = Buffer.alloc(1024 * 1024);
		for (let at = 0; at < size; ) {
			const length = readSync(this.fd, buffer, 0, Math.min(buffer.length, size - at), offset + at);
			if (length === 0) break;
			hash.update(buffer.subarray(0, length));
			at += length;
		}
		return hash.digest("hex");
	}

	[Symbol.dispose](): void {
		closeSync(this.fd);
	}
}

function isSameFile(fd: number, path: string): boolean {
	const [one, other] = [fstatSync(fd), statSync(path, { throwIfNoEntry: false })];
	return one.dev === other?.dev && one.ino === other.ino;
}

function findParts(
	fd: number,
	manifest: Manifest,
): { readonly found: Record<InPlace, Part> } | { readonly why: string } {
	const { size: end } = fstatSync(fd);
	const tail = readAt(fd, end - TAIL_BYTES, TAIL_BYTES);
	const bytes = tableBytes(tail);
	if (bytes === null) return { why: "the executable does not say where its images lie" };
	const table = decodeTable(readAt(fd, end - TAIL_BYTES - bytes, bytes));
	if (table === null) return { why: "the executable's list of images is damaged" };
	const found: Partial<Record<InPlace, Part>> = {};
	for (const name of IN_PLACE) {
		const part = table[name];
		const asset = manifest.assets.find((each) => each.name === name);
		if (!part || !asset || part.size !== asset.bytes || part.offset + part.size > end)
			return { why: `the executable's list of images does not fit "${name}"` };
		const sample = readSamples(part.size, (into, offset) => readSync(fd, into, 0, into.length, part.offset + offset));
		if (createHash("sha256").update(sample).digest("hex") !== asset.sampleSha256)
			return { why: `"${name}" is not where the executable says` };
		found[name] = part;
	}
	return { found: found as Record<InPlace, Part> };
}

function readAt(fd: number, offset: number, bytes: number): Buffer {
	const buffer = Buffer.alloc(bytes);
	return buffer.subarray(0, readSync(fd, buffer, 0, bytes, Math.max(0, offset)));
}
