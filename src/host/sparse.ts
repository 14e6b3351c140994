/** Where a sparse file has data: lseek(2) with SEEK_DATA and SEEK_HOLE. Linux. */
import { dlopen, FFIType } from "bun:ffi";

const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** Numbers of the `chunk`-byte pieces of an open file that are not all hole, in order. Offsets in bytes. */
export function dataChunks(fd: number, size: number, chunk: number): number[] {
	const { i32, i64 } = FFIType;
	const library = dlopen("libc.so.6", { lseek: { args: [i32, i64, i32], returns: i64 } });
	const seek = (offset: number, whence: number) => Number(library.symbols.lseek(fd, BigInt(offset), whence));
	const chunks: number[] = [];
	try {
		for (let at = seek(0, SEEK_DATA); at >= 0 && at < size; ) {
			const hole = seek(at, SEEK_HOLE);
			const end = hole < 0 ? size : hole;
			const first = Math.max(Math.floor(at / chunk), (chunks.at(-1) ?? -1) + 1);
			for (let i = first; i * chunk < end; i++) chunks.push(i);
			// Fails where only hole is left.
			at = seek(end, SEEK_DATA);
		}
		return chunks;
	} finally {
		library.close();
	}
}
