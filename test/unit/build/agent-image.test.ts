/** The agent's image, read by the rules of Linux' fs/erofs; the build has fsck.erofs read the real one. */
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { agentImage } from "../../../vm-assets/build/agent-image.ts";
import { SHARED_CHUNK_BYTES as CHUNK } from "../../../vm-assets/build/runtime.ts";

const BLOCK = 4096;
/** A head, three shared chunks, one of zeros, and half a one. */
const content = Buffer.concat([
	randomBytes(CHUNK),
	randomBytes(3 * CHUNK),
	Buffer.alloc(CHUNK),
	randomBytes(CHUNK / 2),
]);
const shared = { offset: CHUNK, size: 3 * CHUNK };
const image = agentImage("/usr/lib/agent", content, shared);
const device = content.subarray(shared.offset, shared.offset + shared.size);

const inode = (node: number) => {
	const at = image.readUInt32LE(1024 + 40) * BLOCK + node * 32;
	return {
		at,
		layout: (image.readUInt16LE(at) >> 1) & 7,
		mode: image.readUInt16LE(at + 4),
		size: Number(image.readBigUInt64LE(at + 8)),
		union: image.readUInt32LE(at + 16),
	};
};

function lookUp(folder: number, name: string): number {
	const { layout, mode, size, union } = inode(folder);
	expect([layout, mode]).toEqual([0, 0o040755]);
	const block = image.subarray(union * BLOCK, union * BLOCK + size);
	const count = block.readUInt16LE(8) / 12;
	const names = Array.from({ length: count }, (_, index) => {
		const from = block.readUInt16LE(index * 12 + 8);
		const to = index + 1 < count ? block.readUInt16LE((index + 1) * 12 + 8) : size;
		return block.toString("latin1", from, to);
	});
	expect(names).toEqual([...names].sort());
	return Number(block.readBigUInt64LE(names.indexOf(name) * 12));
}

test("the file is found by its path and reads back from both devices", () => {
	expect(image.readUInt32LE(1024)).toBe(0xe0f5e1e2);
	expect(image.length).toBe(image.readUInt32LE(1024 + 36) * BLOCK);
	const root = image.readUInt16LE(1024 + 14);
	const file = inode(["usr", "lib", "agent"].reduce(lookUp, root));
	expect([file.layout, file.mode, file.size]).toEqual([4, 0o100755, content.length]);
	const read = Buffer.concat(
		Array.from({ length: Math.ceil(content.length / CHUNK) }, (_, index) => {
			const entry = file.at + 64 + index * 8;
			const block = image.readUInt32LE(entry + 4);
			const source = image.readUInt16LE(entry + 2) === 1 ? device : image;
			return block === 0xffff_ffff ? Buffer.alloc(CHUNK) : source.subarray(block * BLOCK, block * BLOCK + CHUNK);
		}),
	);
	expect(read.subarray(0, content.length).equals(content)).toBe(true);
});

test("what is shared, and what is zero, takes no space", () => {
	const own = 1.5 * CHUNK;
	expect(image.length).toBeLessThan(own + 8 * BLOCK);
	const slot = image.readUInt16LE(1024 + 88) * 128;
	expect([image.readUInt16LE(1024 + 86), image.readUInt32LE(slot + 64)]).toEqual([1, shared.size / BLOCK]);
});
