/** Packing a folder into an EROFS image. The options and why: vm-assets/README.md, "Compression". */
import { statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { SOURCE_EPOCH } from "./context.ts";
import { inTree, type Mount } from "./tree.ts";

export interface ErofsSpec {
	/** The tools tree. */
	readonly tools: string;
	/** Folder to pack. */
	readonly source: string;
	/** Image to write. */
	readonly image: string;
	/** Volume label, at most 15 bytes. */
	readonly label: string;
	/** Fixed, so that equal content gives an equal image. */
	readonly uuid: string;
	readonly fast: boolean;
	/** Make root the owner of everything. */
	readonly allRoot?: boolean;
}

/** Compression of release images. */
export const RELEASE_OPTIONS = ["-zzstd,level=9", "-C262144", "-Efragments"];
/** Three times as quick to make, half again as big. */
export const FAST_OPTIONS = ["-zlz4", "-C65536", "--workers=2"];

/** Sizes of block devices are counted in these. */
const SECTOR_BYTES = 512;

export async function makeErofs(spec: ErofsSpec, log: string): Promise<void> {
	const mounts: Mount[] = [
		{ from: spec.source, as: "source" },
		{ from: dirname(spec.image), as: "out" },
	];
	const argv = [
		...["mkfs.erofs", "--quiet", `-T${SOURCE_EPOCH}`, `-U${spec.uuid}`, `-L${spec.label}`],
		...(spec.fast ? FAST_OPTIONS : RELEASE_OPTIONS),
		...(spec.allRoot === true ? ["--all-root"] : []),
		// Device nodes are the kernel's business (devtmpfs), and a build without root has none.
		"--exclude-regex=^dev/.",
		...[`/mnt/out/${basename(spec.image)}`, "/mnt/source"],
	];
	await inTree({ tree: spec.tools, argv, mounts }, { log });
	const { size } = statSync(spec.image);
	if (size % SECTOR_BYTES !== 0)
		throw new Error(`${spec.image} has ${size} bytes, which is no whole number of sectors`);
}
