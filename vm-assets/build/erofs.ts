/** Packing a folder into an EROFS image that is compressed inside, so that it is used where it lies: vm-assets/README.md, "Compression". */
import { statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { SOURCE_EPOCH } from "./context.ts";
import { inTree, type Mount } from "./tree.ts";

export interface ErofsSpec {
	/** The tools tree. */
	readonly tools: string;
	/** Folder to pack. */
	readonly source: string;
	/** Image to make. */
	readonly image: string;
	/** Volume label, at most 15 bytes. */
	readonly label: string;
	/** Fixed, so that equal content gives an equal image. */
	readonly uuid: string;
	readonly fast: boolean;
	/** Make root the owner of everything. */
	readonly allRoot?: boolean;
}

/** mkfs.erofs' options. Release images are packed once and copied often; see vm-assets/README.md, "Compression". */
export const RELEASE_OPTIONS = ["-zzstd,level=9", "-C262144", "-Efragments,dedupe"];
export const FAST_OPTIONS = ["-zzstd,level=3", "-C65536"];

/** Sizes of block devices are counted in these. */
const SECTOR_BYTES = 512;

export async function makeErofs(spec: ErofsSpec, log: string): Promise<void> {
	const mounts: Mount[] = [
		{ from: spec.source, as: "source" },
		{ from: dirname(spec.image), as: "out" },
	];
	const mkfs = [
		...["mkfs.erofs", "--quiet", `-T${SOURCE_EPOCH}`, `-U${spec.uuid}`, `-L${spec.label}`],
		...(spec.fast ? FAST_OPTIONS : RELEASE_OPTIONS),
		...(spec.allRoot === true ? ["--all-root"] : []),
		// Device nodes are the kernel's business (devtmpfs), and a build without root has none.
		"--exclude-regex=^dev/.",
		...[`/mnt/out/${basename(spec.image)}`, "/mnt/source"],
	];
	await inTree({ tree: spec.tools, argv: mkfs, mounts }, { log });
	const { size } = statSync(spec.image);
	if (size % SECTOR_BYTES !== 0)
		throw new Error(`${spec.image} has ${size} bytes, which is no whole number of sectors`);
}
