/** Writes a tar archive (POSIX ustar): plain files of root's, the same bytes for the same content. */

export interface TarFile {
	/** Relative, at most 100 bytes. */
	readonly name: string;
	readonly content: Uint8Array;
}

const BLOCK = 512;
/** Two empty blocks end an archive; tar reads ten at a time. */
const RECORD = 20 * BLOCK;

export function writeTar(files: readonly TarFile[]): Uint8Array {
	const blocks = files.flatMap(({ name, content }) => [
		header(name, content.length),
		content,
		padding(content.length, BLOCK),
	]);
	const length = blocks.reduce((sum, block) => sum + block.length, 0);
	return Buffer.concat([...blocks, new Uint8Array(2 * BLOCK), padding(length + 2 * BLOCK, RECORD)]);
}

function padding(length: number, unit: number): Uint8Array {
	return new Uint8Array((unit - (length % unit)) % unit);
}

function header(name: string, size: number): Uint8Array {
	const bytes = Buffer.alloc(BLOCK);
	if (Buffer.byteLength(name) > 100) throw new Error(`too long a name for tar: ${name}`);
	bytes.write(name, 0);
	const octal = (value: number, digits: number, at: number) =>
		bytes.write(`${value.toString(8).padStart(digits, "0")}\0`, at);
	octal(0o644, 7, 100);
	octal(0, 7, 108);
	octal(0, 7, 116);
	octal(size, 11, 124);
	octal(0, 11, 136);
	bytes.write("        ", 148);
	bytes.write("0", 156);
	bytes.write("ustar\x0000", 257);
	const sum = bytes.reduce((total, byte) => total + byte, 0);
	bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
	return bytes;
}
