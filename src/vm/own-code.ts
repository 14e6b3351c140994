/**
 * The agent's runtime out of this program's own memory, for where the executable cannot be opened (mode 0111): the kernel has mapped
 * it all the same, and its code and constants are in memory as they are in the file.
 */
import { type Pointer, toArrayBuffer } from "bun:ffi";
import { closeSync, openSync, writeSync } from "node:fs";
import { Fault } from "../errors.ts";
import { SHARED_OFFSET_BYTES } from "./part-table.ts";

/** Where the linker has put Bun for Linux, which is at no random place (ET_EXEC). */
const BASE = 0x20_0000;
const HEADER_BYTES = 64 + 16 * 56;
const PT_LOAD = 1;
const PAGE = 4096;

interface Mapping {
	readonly offset: number;
	readonly end: number;
	readonly address: number;
}

/** Writes `bytes` bytes of the executable from the offset where the shared part begins. */
export function writeOwnCode(path: string, bytes: number): void {
	const fd = openSync(path, "wx", 0o600);
	try {
		const mappings = findMappings();
		for (let at = SHARED_OFFSET_BYTES; at < SHARED_OFFSET_BYTES + bytes; ) {
			const mapping = mappings.find(({ offset, end }) => at >= offset && at < end);
			if (!mapping) throw new Fault("This program is not in memory as it should be");
			const length = Math.min(mapping.end, SHARED_OFFSET_BYTES + bytes) - at;
			const address = mapping.address + (at - mapping.offset);
			const memory = new Uint8Array(toArrayBuffer(address as Pointer, 0, length));
			for (let done = 0; done < length; ) done += writeSync(fd, memory, done, length - done);
			at += length;
		}
	} finally {
		closeSync(fd);
	}
}

/** Whole pages of the file, as the kernel maps them. */
function findMappings(): Mapping[] {
	const view = new DataView(toArrayBuffer(BASE as Pointer, 0, HEADER_BYTES));
	const count = Math.min(view.getUint16(56, true), 16);
	return Array.from({ length: count }, (_, index) => 64 + index * 56)
		.filter((at) => view.getUint32(at, true) === PT_LOAD)
		.map((at) => {
			const offset = Number(view.getBigUint64(at + 8, true));
			const end = offset + Number(view.getBigUint64(at + 32, true));
			const skew = offset % PAGE;
			return {
				offset: offset - skew,
				end: Math.ceil(end / PAGE) * PAGE,
				address: Number(view.getBigUint64(at + 16, true)) - skew,
			};
		});
}
