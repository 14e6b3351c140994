/** The user's disks: a qcow2 file each in the data folder, locked while a machine has it. */
import {
	closeSync,
	fsyncSync,
	linkSync,
	mkdirSync,
	openSync,
	readdirSync,
	readSync,
	rmSync,
	statSync,
	writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { type DiskSpec, isDiskName } from "../config/disk-spec.ts";
import { formatMemoryMiB } from "../config/size.ts";
import { EXIT, Fault, reason } from "../errors.ts";
import { ensurePrivateFolder } from "../host/directories.ts";
import { isLockHeld, openLocked } from "../host/file-lock.ts";
import { emptyQcow2, qcow2SizeBytes } from "./qcow2.ts";

/** Of a new disk, where nobody says. It takes what is written to it, not this. */
const DEFAULT_SIZE_MIB = 32 * 1024;
const MIB = 1024 * 1024;
const SUFFIX = ".qcow2";

export interface DiskInfo {
	readonly name: string;
	readonly path: string;
	/** What the guest sees. Null where the file is no disk of ours any more. */
	readonly sizeMiB: number | null;
	/** What it takes here. */
	readonly diskBytes: number;
	readonly usedAt: Date;
	readonly inUse: boolean;
}

export interface OpenDisk extends Disposable {
	readonly path: string;
	/** Made just now: there is no file system in it. */
	readonly isNew: boolean;
}

export function disksFolder(data: string): string {
	return join(data, "disks");
}

export function diskPath(data: string, name: string): string {
	return join(disksFolder(data), `${name}${SUFFIX}`);
}

/** Beside the disk: QEMU locks bytes of the disk itself, and the two must not meet. */
function lockPath(data: string, name: string): string {
	return join(disksFolder(data), `.${name}.lock`);
}

/** Locks the disk, and makes it where there is none. @throws Fault where a machine has it, or its size is another */
export function openDisk(data: string, { name, sizeMiB }: DiskSpec): OpenDisk {
	preparePrivately(data);
	const lock = lockDisk(data, name);
	try {
		const path = diskPath(data, name);
		const isNew = statSync(path, { throwIfNoEntry: false }) === undefined;
		if (isNew) createQcow2(path, sizeMiB ?? DEFAULT_SIZE_MIB);
		else checkSize(path, name, sizeMiB);
		return { path, isNew, [Symbol.dispose]: () => closeSync(lock) };
	} catch (error) {
		closeSync(lock);
		throw error;
	}
}

function preparePrivately(data: string): void {
	mkdirSync(data, { recursive: true, mode: 0o700 });
	ensurePrivateFolder(disksFolder(data));
}

function lockDisk(data: string, name: string): number {
	const lock = openLocked(lockPath(data, name));
	if (lock !== null) return lock;
	throw new Fault(`The disk ${name} is in use`, {
		why: "another machine has it, and two would destroy each other's files",
		fix: "end that machine first (`virtualghost list`), or use another --disk",
	});
}

function checkSize(path: string, name: string, asked: number | null): void {
	const bytes = readSize(path);
	if (bytes === null)
		throw new Fault(`${path} is no disk of VirtualGhost's`, { fix: "move it away, or use another --disk" });
	if (asked === null || asked * MIB === bytes) return;
	throw new Fault(`The disk ${name} has ${formatMemoryMiB(Math.floor(bytes / MIB))}, not ${formatMemoryMiB(asked)}`, {
		why: "a size counts for a new disk only",
		fix: `leave the size out: --disk ${name}`,
		exitCode: EXIT.usage,
	});
}

function readSize(path: string): number | null {
	const head = Buffer.alloc(112);
	const fd = openSync(path, "r");
	try {
		return qcow2SizeBytes(head.subarray(0, readSync(fd, head, 0, head.length, 0)));
	} finally {
		closeSync(fd);
	}
}

/** Whole or not at all, and never in the place of another. @throws Fault */
export function createQcow2(path: string, sizeMiB: number): void {
	const temporary = `${path}.new-${process.pid}`;
	try {
		const fd = openSync(temporary, "wx", 0o600);
		try {
			writeSync(fd, emptyQcow2(sizeMiB));
			fsyncSync(fd);
		} finally {
			closeSync(fd);
		}
		linkSync(temporary, path);
		syncFolder(dirname(path));
	} catch (error) {
		throw new Fault(`The disk ${path} could not be made`, {
			why: reason(error),
			fix: "check its folder and the space there",
			cause: error,
		});
	} finally {
		rmSync(temporary, { force: true });
	}
}

function syncFolder(path: string): void {
	if (process.platform === "win32") return;
	const fd = openSync(path, "r");
	try {
		fsyncSync(fd);
	} finally {
		closeSync(fd);
	}
}

/** By name. */
export function listDisks(data: string): DiskInfo[] {
	let names: string[];
	try {
		names = readdirSync(disksFolder(data));
	} catch {
		return [];
	}
	return names
		.filter((file) => file.endsWith(SUFFIX) && isDiskName(file.slice(0, -SUFFIX.length)))
		.sort()
		.flatMap((file) => describeDisk(data, file.slice(0, -SUFFIX.length)) ?? []);
}

function describeDisk(data: string, name: string): DiskInfo | null {
	const path = diskPath(data, name);
	const stat = statSync(path, { throwIfNoEntry: false });
	if (!stat) return null;
	const bytes = readSize(path);
	return {
		name,
		path,
		sizeMiB: bytes === null ? null : Math.floor(bytes / MIB),
		diskBytes: (stat.blocks ?? 0) * 512,
		usedAt: stat.mtime,
		inUse: isLockHeld(lockPath(data, name)) === true,
	};
}

/** @throws Fault where there is none of that name */
export function findDisk(data: string, name: string): DiskInfo {
	const disk = isDiskName(name) ? describeDisk(data, name) : null;
	if (disk) return disk;
	const known = listDisks(data).map((each) => each.name);
	throw new Fault(`There is no disk named ${JSON.stringify(name)}`, {
		fix: known.length > 0 ? `there are: ${known.join(", ")}` : "virtualghost --disk NAME makes one",
		exitCode: EXIT.usage,
	});
}

/** Runs `work` while nobody else has the disk. @throws Fault */
export async function withDisk<T>(data: string, name: string, work: (disk: DiskInfo) => T | Promise<T>): Promise<T> {
	findDisk(data, name);
	const lock = lockDisk(data, name);
	try {
		return await work(findDisk(data, name));
	} finally {
		closeSync(lock);
	}
}

/** The lock's file stays: who waits for it must not lock what nobody else can see. */
export function removeDisk(disk: DiskInfo): void {
	rmSync(disk.path);
}
