/** A named disk as people write it: `NAME`, or `NAME:SIZE` for one that may have to be made. */
import { reason } from "../errors.ts";
import { formatMemoryMiB, parseMemoryMiB } from "./size.ts";

export interface DiskSpec {
	readonly name: string;
	/** Null: as large as it is, or the usual size for a new one. */
	readonly sizeMiB: number | null;
}

/** Less holds no ext4 with room for anything. */
export const DISK_MIN_MIB = 64;
/** 4 TiB: what one cluster of the first-level table maps (files/qcow2.ts). */
export const DISK_MAX_MIB = 4 * 1024 * 1024;

/** A file name on every platform, and no flag. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
/** Windows opens the device whatever stands behind the dot. */
const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/;

export function isDiskName(name: string): boolean {
	return NAME.test(name) && !WINDOWS_DEVICE.test(name) && !name.endsWith(".");
}

/** @throws Error that says what is wrong */
export function parseDiskSpec(text: string): DiskSpec {
	const colon = text.indexOf(":");
	const name = colon < 0 ? text : text.slice(0, colon);
	if (!isDiskName(name)) {
		throw new Error(`"${name}" is no name for a disk: letters a-z, digits, dots, dashes and underscores, at most 63`);
	}
	if (colon < 0) return { name, sizeMiB: null };
	let sizeMiB: number;
	try {
		sizeMiB = parseMemoryMiB(text.slice(colon + 1));
	} catch (error) {
		throw new Error(`the size of disk ${name}: ${reason(error)}`);
	}
	if (sizeMiB < DISK_MIN_MIB || sizeMiB > DISK_MAX_MIB) {
		throw new Error(`the size of disk ${name} must be from ${DISK_MIN_MIB}M to ${formatMemoryMiB(DISK_MAX_MIB)}`);
	}
	return { name, sizeMiB };
}
