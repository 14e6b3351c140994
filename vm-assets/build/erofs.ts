/** Packing a folder into an EROFS image, compressed as a whole. Why so: vm-assets/README.md, "Compression". */
import { statSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { SOURCE_EPOCH } from "./context.ts";
import { inTree, type Mount } from "./tree.ts";

export interface ErofsSpec {
	/** The tools tree. */
	readonly tools: string;
	/** Folder to pack. */
	readonly source: string;
	/** Image to make; see `packedImage` for what is left of it. */
	readonly image: string;
	/** Volume label, at most 15 bytes. */
	readonly label: string;
	/** Fixed, so that equal content gives an equal image. */
	readonly uuid: string;
	readonly fast: boolean;
	/** Make root the owner of everything. */
	readonly allRoot?: boolean;
}

/** zstd's options. Release images are packed once and copied often; see vm-assets/README.md, "Compression". */
export const RELEASE_OPTIONS = ["-17", "--long=27", "-T0"];
export const FAST_OPTIONS = ["-3", "-T0"];

/** Sizes of block devices are counted in these. */
const SECTOR_BYTES = 512;

/** Files that `makeErofs` leaves: the packed image, and its unpacked size in bytes as decimal text. */
export function packedImage(image: string): { readonly archive: string; readonly bytes: string } {
	return { archive: `${image}.zst`, bytes: `${image}.bytes` };
}

/** Packs `spec.source`; the image itself is not kept. */
export async function makeErofs(spec: ErofsSpec, log: string): Promise<void> {
	const mounts: Mount[] = [
		{ from: spec.source, as: "source" },
		{ from: dirname(spec.image), as: "out" },
	];
	const name = basename(spec.image);
	const mkfs = [
		...["mkfs.erofs", "--quiet", `-T${SOURCE_EPOCH}`, `-U${spec.uuid}`, `-L${spec.label}`],
		...(spec.allRoot === true ? ["--all-root"] : []),
		// Device nodes are the kernel's business (devtmpfs), and a build without root has none.
		"--exclude-regex=^dev/.",
		...[`/mnt/out/${name}`, "/mnt/source"],
	];
	await inTree({ tree: spec.tools, argv: mkfs, mounts }, { log });
	const { size } = statSync(spec.image);
	if (size % SECTOR_BYTES !== 0)
		throw new Error(`${spec.image} has ${size} bytes, which is no whole number of sectors`);
	writeFileSync(packedImage(spec.image).bytes, String(size));
	const options = spec.fast ? FAST_OPTIONS : RELEASE_OPTIONS;
	const zstd = ["zstd", "--quiet", "--rm", ...options, `/mnt/out/${name}`];
	await inTree({ tree: spec.tools, argv: zstd, mounts }, { log });
}
