/**
 * The little of the qcow2 format that a new, empty disk needs, and the size of one that is there: docs/interop/qcow2.rst in QEMU's
 * source. Written here, since it is 20 lines and qemu-img would be 2 MB in every binary. Pure.
 */

const MAGIC = 0x5146_49fb;
const HEADER_BYTES = 112;
const CLUSTER_BITS = 16;
const CLUSTER_BYTES = 1 << CLUSTER_BITS;
/** Bytes of the disk that one entry of the first-level table covers: a cluster full of second-level entries of 8 bytes. */
const L1_ENTRY_COVERS = CLUSTER_BYTES * (CLUSTER_BYTES / 8);
const MIB = 1024 * 1024;
/** What one cluster of first-level entries covers. */
export const QCOW2_BYTES_MAX = L1_ENTRY_COVERS * (CLUSTER_BYTES / 8);

/** Clusters of the new file, in order: header, refcount table, refcount block, first-level table. */
const AT = { header: 0, refcountTable: 1, refcountBlock: 2, l1: 3, end: 4 } as const;

/** The whole file of an empty disk: four clusters. It grows as the guest writes. */
export function emptyQcow2(sizeMiB: number): Buffer {
	const size = sizeMiB * MIB;
	if (!Number.isSafeInteger(sizeMiB) || sizeMiB <= 0 || size > QCOW2_BYTES_MAX) throw new RangeError("size of a qcow2");
	const file = Buffer.alloc(AT.end * CLUSTER_BYTES);
	file.writeUInt32BE(MAGIC, 0);
	file.writeUInt32BE(3, 4); // Version.
	file.writeUInt32BE(CLUSTER_BITS, 20);
	file.writeBigUInt64BE(BigInt(size), 24);
	file.writeUInt32BE(Math.ceil(size / L1_ENTRY_COVERS), 36);
	file.writeBigUInt64BE(BigInt(AT.l1 * CLUSTER_BYTES), 40);
	file.writeBigUInt64BE(BigInt(AT.refcountTable * CLUSTER_BYTES), 48);
	file.writeUInt32BE(1, 56); // Clusters of the refcount table.
	file.writeUInt32BE(4, 96); // Refcounts of 1 << 4 bits.
	file.writeUInt32BE(HEADER_BYTES, 100);
	// After the header: no extension, which eight zero bytes say.
	file.writeBigUInt64BE(BigInt(AT.refcountBlock * CLUSTER_BYTES), AT.refcountTable * CLUSTER_BYTES);
	for (let i = 0; i < AT.end; i++) file.writeUInt16BE(1, AT.refcountBlock * CLUSTER_BYTES + i * 2);
	return file;
}

/** Size that the guest sees, from a file's first bytes; null for what is no qcow2, or one that leads to other files. */
export function qcow2SizeBytes(head: Uint8Array): number | null {
	if (head.length < 32) return null;
	const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
	const version = view.getUint32(4);
	if (view.getUint32(0) !== MAGIC || (version !== 2 && version !== 3)) return null;
	// A backing file would be opened with the launcher's rights.
	if (view.getBigUint64(8) !== 0n) return null;
	// So would an external data file: incompatible feature bit 2.
	if (version === 3 && (head.length < 80 || (view.getBigUint64(72) & 4n) !== 0n)) return null;
	const size = view.getBigUint64(24);
	return size > 0n && size <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(size) : null;
}
