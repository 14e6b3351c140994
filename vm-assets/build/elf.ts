/** The little of an ELF file that says which libraries it asks for. Only 64-bit little-endian files, which is all we meet. */

export interface Dynamic {
	/** DT_NEEDED, in order. */
	readonly needed: readonly string[];
	/** DT_SONAME. */
	readonly soname: string | null;
}

const ELF_MAGIC = 0x464c457f;
const CLASS_64 = 2;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PROGRAM_HEADER_BYTES = 56;
const DYNAMIC_ENTRY_BYTES = 16;
const DT = { null: 0, needed: 1, stringTable: 5, soname: 14 } as const;

interface Segment {
	readonly type: number;
	readonly offset: number;
	readonly address: number;
	readonly bytes: number;
}

/** Reads the dynamic section. Null if the file is no ELF file, or has none. */
export function readDynamic(file: Uint8Array): Dynamic | null {
	const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
	if (file.length < 64 || view.getUint32(0, true) !== ELF_MAGIC || file[4] !== CLASS_64) return null;
	const segments = readSegments(file);
	const dynamic = segments.find((segment) => segment.type === PT_DYNAMIC);
	if (dynamic === undefined) return null;
	const entries: [tag: number, value: number][] = [];
	for (let at = dynamic.offset; at < dynamic.offset + dynamic.bytes; at += DYNAMIC_ENTRY_BYTES) {
		const tag = Number(view.getBigInt64(at, true));
		if (tag === DT.null) break;
		entries.push([tag, Number(view.getBigUint64(at + 8, true))]);
	}
	const address = entries.find(([tag]) => tag === DT.stringTable)?.[1];
	if (address === undefined) return null;
	const home = segments.find(
		(each) => each.type === PT_LOAD && address >= each.address && address < each.address + each.bytes,
	);
	if (home === undefined) return null;
	const strings = address - home.address + home.offset;
	const text = (index: number) => readText(file, strings + index);
	const soname = entries.find(([tag]) => tag === DT.soname);
	return {
		needed: entries.filter(([tag]) => tag === DT.needed).map(([, index]) => text(index)),
		soname: soname === undefined ? null : text(soname[1]),
	};
}

/** Of a 64-bit little-endian ELF file. */
function readSegments(file: Uint8Array): Segment[] {
	const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
	const start = Number(view.getBigUint64(32, true));
	const count = view.getUint16(56, true);
	return Array.from({ length: count }, (_, index) => {
		const at = start + index * PROGRAM_HEADER_BYTES;
		return {
			type: view.getUint32(at, true),
			offset: Number(view.getBigUint64(at + 8, true)),
			address: Number(view.getBigUint64(at + 16, true)),
			bytes: Number(view.getBigUint64(at + 32, true)),
		};
	});
}

function readText(file: Uint8Array, start: number): string {
	return new TextDecoder().decode(file.subarray(start, file.indexOf(0, start)));
}
