/**
 * The driver pack: an optional EROFS image with drivers and firmware of real graphics cards, for a guest that gets one
 * (docs/gpu-drivers.md). Made by `vm-assets/build/driver-pack.ts`.
 *
 * EROFS leaves the first 1024 bytes of an image to others. There stands what the launcher asks before it starts QEMU:
 * which kernel the drivers are for, and how long the file is when it is whole.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { z } from "zod";
import { EXIT, Fault, reason } from "../errors.ts";
import type { Manifest } from "./manifest.ts";

/** Bytes in front of the EROFS superblock that belong to the header. */
export const HEADER_BYTES = 1024;

/** Bytes from the start of the file that tell what it is: the header and the superblock's magic number. */
export const HEAD_BYTES = HEADER_BYTES + 4;

/** EROFS_SUPER_MAGIC_V1 of Linux' include/uapi/linux/magic.h. */
const EROFS_MAGIC = 0xe0f5e1e2;

const FIRST_LINE = "virtualghost-driver-pack";
const FORMAT = 1;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

export const packHeaderSchema = z.object({
	/** Release of the kernel, as `uname -r` says it. */
	kernel: z.string().regex(/^[\w.+~-]{1,64}$/),
	/** SHA-256 of the kernel image that the drivers come with. */
	image: sha256,
	/** The manifest's `kernel.modules`: the pack's index of modules covers that set and its own. */
	modules: sha256,
	vendors: z.array(z.string().regex(/^[a-z]{1,16}$/)).max(8),
	/** Size of the whole file in bytes. */
	bytes: z.number().int().positive(),
});

export type PackHeader = z.infer<typeof packHeaderSchema>;

/** The header as it stands in the file: `HEADER_BYTES` long, readable with `head -n 2`. */
export function encodeHeader(header: PackHeader): Uint8Array {
	const text = new TextEncoder().encode(`${FIRST_LINE} ${FORMAT}\n${JSON.stringify(header)}\n`);
	if (text.length > HEADER_BYTES) throw new RangeError(`a header of ${text.length} bytes does not fit`);
	const bytes = new Uint8Array(HEADER_BYTES);
	bytes.set(text);
	return bytes;
}

/** The header, or in words why a file that begins with `head` and has `fileBytes` bytes is no usable pack. Never throws. */
export function parseHead(head: Uint8Array, fileBytes: number): PackHeader | string {
	if (fileBytes === 0) return "it is empty";
	const [first = "", second = ""] = new TextDecoder("latin1").decode(head.subarray(0, HEADER_BYTES)).split("\n");
	const format = /^virtualghost-driver-pack (\d{1,6})$/.exec(first)?.[1];
	if (format === undefined) {
		return hasErofs(head) ? "it is an EROFS image, but no driver pack" : "it does not begin like a driver pack";
	}
	if (Number(format) !== FORMAT) return `it is of format ${format}, and this launcher reads format ${FORMAT}`;
	const header = packHeaderSchema.safeParse(parseJson(second));
	if (!header.success) return "its header is damaged";
	if (header.data.bytes !== fileBytes) {
		return `it has ${fileBytes} bytes in place of ${header.data.bytes}: it was not copied as a whole`;
	}
	return hasErofs(head) ? header.data : "it holds no EROFS image";
}

function hasErofs(head: Uint8Array): boolean {
	if (head.length < HEAD_BYTES) return false;
	return new DataView(head.buffer, head.byteOffset, head.byteLength).getUint32(HEADER_BYTES, true) === EROFS_MAGIC;
}

function parseJson(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}

/** Reads the header of a pack. @throws Fault where the file cannot be read or is no driver pack. */
export function openDriverPack(path: string): PackHeader {
	const fault = (what: string, why: string) =>
		new Fault(what, { why, fix: "give --driver-pack a file that `just driver-pack` has made", exitCode: EXIT.usage });
	let read: PackHeader | string;
	try {
		// A named pipe would be waited for.
		read = statSync(path).isFile() ? readHead(path) : "it is no regular file";
	} catch (error) {
		throw fault(`The driver pack ${path} cannot be read`, reason(error));
	}
	if (typeof read === "string") throw fault(`${path} is no usable driver pack`, read);
	return read;
}

function readHead(path: string): PackHeader | string {
	const fd = openSync(path, "r");
	try {
		const head = new Uint8Array(HEAD_BYTES);
		const length = readSync(fd, head, 0, HEAD_BYTES, 0);
		return parseHead(head.subarray(0, length), fstatSync(fd).size);
	} finally {
		closeSync(fd);
	}
}

/** @throws Fault where the pack's drivers are not those of the kernel in this build. */
export function requireSameKernel(header: PackHeader, manifest: Manifest, path: string): void {
	const { version, modules } = manifest.kernel;
	const image = manifest.assets.find((asset) => asset.name === "kernel")?.sha256;
	const sameBuild = header.image === image && header.modules === modules;
	if (header.kernel === version && sameBuild) return;
	throw new Fault(`The driver pack ${path} is for another kernel`, {
		why:
			header.kernel === version
				? `it was made for another build of Linux ${version} than the one inside this launcher`
				: `its drivers are for Linux ${header.kernel}, and this launcher starts Linux ${version}`,
		fix: "use the pack that belongs to this build, or make one with `just driver-pack`",
		exitCode: EXIT.usage,
	});
}
