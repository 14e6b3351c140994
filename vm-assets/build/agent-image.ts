/**
 * The agent's executable as an EROFS image that holds only what no other program made of the same Bun has: the blocks in between
 * are said to lie on a second device, which is a part of the launcher (runtime.ts). mkfs.erofs cannot do that; the format is Linux'
 * fs/erofs/erofs_fs.h, of which this needs a superblock, a device slot, folders of one block and one file in chunks.
 */
import type { Part } from "../../src/vm/part-table.ts";
import { SOURCE_EPOCH } from "./context.ts";
import { SHARED_CHUNK_BYTES } from "./runtime.ts";

const BLOCK = 4096;
const SLOT = 128;
const SUPERBLOCK_OFFSET = 1024;
const MAGIC = 0xe0f5e1e2;
/** FEATURE_INCOMPAT_CHUNKED_FILE and FEATURE_INCOMPAT_DEVICE_TABLE. */
const FEATURES = 0x4 | 0x8;
/** Inodes of 64 bytes: version 1, with the data's layout beside it. */
const LAYOUT = { flat: 1 | (0 << 1), chunks: 1 | (4 << 1) };
const CHUNK_FORMAT_INDEXES = 0x20;
const NULL_BLOCK = 0xffff_ffff;
const MODE = { folder: 0o040755, program: 0o100755 };
const FILE_TYPE = { file: 1, folder: 2 };
const INODE_BYTES = 64;
/** Node numbers count pieces of 32 bytes from the first metadata block; 0 stays free. */
const NODE_BYTES = 32;
const FIRST_NODE = 2;
/** As the other images' (root.ts, guest.ts). */
const UUID = "7669727475616c67686f737400000004";

interface Chunk {
	/** 0: this image; 1: the shared device. */
	readonly device: number;
	readonly block: number;
}

/**
 * @param path absolute path of the file in the file system
 * @param shared the part of `content` that is the second device
 */
export function agentImage(path: string, content: Buffer, shared: Part): Buffer {
	const names = path.split("/").filter(Boolean);
	const chunkCount = Math.ceil(content.length / SHARED_CHUNK_BYTES);
	const folders = names.length;
	const fileNode = FIRST_NODE + (folders * INODE_BYTES) / NODE_BYTES;
	const nodeOf = (depth: number) => FIRST_NODE + (depth * INODE_BYTES) / NODE_BYTES;
	const metadataBytes = fileNode * NODE_BYTES + INODE_BYTES + chunkCount * 8;
	const metadataBlocks = Math.ceil(metadataBytes / BLOCK);
	const folderBlock = 1 + metadataBlocks;
	const { chunks, own } = placeChunks(content, shared, folderBlock + folders);
	const image = Buffer.alloc((folderBlock + folders) * BLOCK + own.length);
	own.copy(image, (folderBlock + folders) * BLOCK);
	writeSuperblock(image, { root: nodeOf(0), inodes: folders + 1, sharedBlocks: shared.size / BLOCK });
	for (let depth = 0; depth < folders; depth++) {
		const last = depth === folders - 1;
		const entries = [
			{ name: ".", node: nodeOf(depth), type: FILE_TYPE.folder },
			{ name: "..", node: nodeOf(Math.max(0, depth - 1)), type: FILE_TYPE.folder },
			{
				name: names[depth] ?? "",
				node: last ? fileNode : nodeOf(depth + 1),
				type: last ? FILE_TYPE.file : FILE_TYPE.folder,
			},
		];
		const block = folderBlock + depth;
		const size = writeFolder(image, block * BLOCK, entries);
		const links = last ? 2 : 3;
		const at = { node: nodeOf(depth), number: depth + 1 };
		writeInode(image, { ...at, layout: LAYOUT.flat, mode: MODE.folder, size, union: block, links });
	}
	const union = CHUNK_FORMAT_INDEXES | Math.log2(SHARED_CHUNK_BYTES / BLOCK);
	const file = { node: fileNode, number: folders + 1, size: content.length, union, links: 1 };
	writeInode(image, { ...file, layout: LAYOUT.chunks, mode: MODE.program });
	let at = BLOCK + fileNode * NODE_BYTES + INODE_BYTES;
	for (const { device, block } of chunks) {
		image.writeUInt16LE(device, at + 2);
		image.writeUInt32LE(block, at + 4);
		at += 8;
	}
	return image;
}

/** Where each chunk lies; chunks of zeros lie nowhere. */
function placeChunks(content: Buffer, shared: Part, firstBlock: number): { chunks: Chunk[]; own: Buffer } {
	const zero = Buffer.alloc(SHARED_CHUNK_BYTES);
	const own: Buffer[] = [];
	const chunks: Chunk[] = [];
	let block = firstBlock;
	for (let offset = 0; offset < content.length; offset += SHARED_CHUNK_BYTES) {
		const chunk = content.subarray(offset, offset + SHARED_CHUNK_BYTES);
		if (offset >= shared.offset && offset < shared.offset + shared.size) {
			chunks.push({ device: 1, block: (offset - shared.offset) / BLOCK });
		} else if (chunk.equals(zero.subarray(0, chunk.length))) {
			chunks.push({ device: 0, block: NULL_BLOCK });
		} else {
			const blocks = Math.ceil(chunk.length / BLOCK);
			own.push(Buffer.concat([chunk, Buffer.alloc(blocks * BLOCK - chunk.length)]));
			chunks.push({ device: 0, block });
			block += blocks;
		}
	}
	return { chunks, own: Buffer.concat(own) };
}

function writeSuperblock(
	image: Buffer,
	{ root, inodes, sharedBlocks }: { root: number; inodes: number; sharedBlocks: number },
) {
	const at = SUPERBLOCK_OFFSET;
	image.writeUInt32LE(MAGIC, at);
	image.writeUInt8(Math.log2(BLOCK), at + 12);
	image.writeUInt16LE(root, at + 14);
	image.writeBigUInt64LE(BigInt(inodes), at + 16);
	image.writeBigUInt64LE(BigInt(SOURCE_EPOCH), at + 24);
	image.writeUInt32LE(image.length / BLOCK, at + 36);
	image.writeUInt32LE(1, at + 40); // First block of metadata.
	Buffer.from(UUID, "hex").copy(image, at + 48, 0, 16);
	image.write("vg-agent", at + 64, "latin1");
	image.writeUInt32LE(FEATURES, at + 80);
	image.writeUInt16LE(1, at + 86); // Other devices.
	const slot = (at + SLOT) / SLOT;
	image.writeUInt16LE(slot, at + 88);
	image.write("vg-runtime", slot * SLOT, "latin1");
	image.writeUInt32LE(sharedBlocks, slot * SLOT + 64);
}

interface Inode {
	readonly node: number;
	readonly number: number;
	readonly layout: number;
	readonly mode: number;
	readonly size: number;
	/** First block, or the format of the chunks. */
	readonly union: number;
	readonly links: number;
}

function writeInode(image: Buffer, inode: Inode): void {
	const at = BLOCK + inode.node * NODE_BYTES;
	image.writeUInt16LE(inode.layout, at);
	image.writeUInt16LE(inode.mode, at + 4);
	image.writeBigUInt64LE(BigInt(inode.size), at + 8);
	image.writeUInt32LE(inode.union, at + 16);
	image.writeUInt32LE(inode.number, at + 20);
	image.writeBigUInt64LE(BigInt(SOURCE_EPOCH), at + 32);
	image.writeUInt32LE(inode.links, at + 44);
}

/** Entries must be sorted by name. Gives the folder's size. */
function writeFolder(
	image: Buffer,
	at: number,
	entries: readonly { name: string; node: number; type: number }[],
): number {
	const entryBytes = 12;
	let nameAt = entries.length * entryBytes;
	for (const [index, { name, node, type }] of entries.entries()) {
		const entry = at + index * entryBytes;
		image.writeBigUInt64LE(BigInt(node), entry);
		image.writeUInt16LE(nameAt, entry + 8);
		image.writeUInt8(type, entry + 10);
		nameAt += image.write(name, at + nameAt, "latin1");
	}
	return nameAt;
}
