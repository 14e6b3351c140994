/** Which PCI functions the mounted file systems and the swap space lie behind. */
import { posix } from "node:path";
import { type Bdf, bdfsInPath } from "./bdf.ts";
import type { Files } from "./files.ts";
import type { FoundUse } from "./uses.ts";

interface Mount {
	/** `259:2`; `0:31` where the file system has no block device of its own. */
	readonly device: string;
	readonly point: string;
	readonly type: string;
	readonly source: string;
}

/** Stacks of device mapper, RAID and loop devices are a few levels high. */
const LEVELS_MAX = 16;

export function findDiskUses(files: Files): FoundUse[] {
	const mounts = readMounts(files);
	const found: FoundUse[] = [];
	for (const mount of mounts) {
		const kind = mount.point === "/" ? "root" : "mount";
		for (const bdf of behindMount(files, mounts, mount)) found.push({ bdf, use: { kind, what: mount.point } });
	}
	for (const path of readSwaps(files)) {
		for (const bdf of behindSwap(files, mounts, path)) found.push({ bdf, use: { kind: "swap", what: path } });
	}
	return found;
}

/** ZFS tells nobody without its own tools which disks a pool is made of. */
export function zfsMounts(files: Files): readonly string[] {
	return readMounts(files)
		.filter(({ type }) => type === "zfs")
		.map(({ point }) => point);
}

/** proc_pid_mountinfo(5). */
function readMounts(files: Files): Mount[] {
	const mounts: Mount[] = [];
	for (const line of (files.read("/proc/self/mountinfo") ?? "").split("\n")) {
		const [before = "", after = ""] = line.split(" - ");
		const [, , device, , point] = before.split(" ");
		const [type, source] = after.split(" ");
		if (device === undefined || point === undefined || type === undefined || source === undefined) continue;
		mounts.push({ device, point: unescapeOctal(point), type, source: unescapeOctal(source) });
	}
	return mounts;
}

function readSwaps(files: Files): string[] {
	const lines = (files.read("/proc/swaps") ?? "").split("\n").slice(1);
	return lines.map((line) => unescapeOctal(line.split(/\s/)[0] ?? "")).filter((path) => path.startsWith("/"));
}

/** The kernel writes blanks in paths as `\040`. */
function unescapeOctal(text: string): string {
	return text.replace(/\\([0-3][0-7]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)));
}

function behindMount(files: Files, mounts: readonly Mount[], { device, source }: Mount): Set<Bdf> {
	if (/^\d+:\d+$/.test(device) && !device.startsWith("0:")) {
		const path = files.real(`/sys/dev/block/${device}`);
		return path === null ? new Set() : behindBlock(files, mounts, path);
	}
	// btrfs and bcachefs have anonymous numbers; bcachefs names all its devices, btrfs one.
	const all = new Set<Bdf>();
	for (const part of source.split(":").filter((each) => each.startsWith("/dev/"))) {
		for (const path of withBtrfsSiblings(files, blockOfNode(files, part))) {
			for (const bdf of behindBlock(files, mounts, path)) all.add(bdf);
		}
	}
	return all;
}

/** `/dev/mapper/root` -> `/sys/devices/virtual/block/dm-0`. */
function blockOfNode(files: Files, node: string): string | null {
	const real = files.real(node);
	return real === null ? null : files.real(`/sys/class/block/${posix.basename(real)}`);
}

function withBtrfsSiblings(files: Files, block: string | null): readonly string[] {
	if (block === null) return [];
	const name = posix.basename(block);
	for (const id of files.list("/sys/fs/btrfs") ?? []) {
		const folder = `/sys/fs/btrfs/${id}/devices`;
		const members = files.list(folder) ?? [];
		if (!members.includes(name)) continue;
		return members.map((each) => files.real(`${folder}/${each}`)).filter((path) => path !== null);
	}
	return [block];
}

/** Follows partitions, device mapper, RAID, loop devices and NVMe's multipath heads down to PCI functions. */
function behindBlock(files: Files, mounts: readonly Mount[], path: string, levels = LEVELS_MAX): Set<Bdf> {
	const found = new Set(bdfsInPath(path));
	if (levels === 0) return found;
	const follow = (next: string | null) => {
		if (next === null || next === path) return;
		for (const bdf of behindBlock(files, mounts, next, levels - 1)) found.add(bdf);
	};
	if (found.size > 0) return found;
	// A partition's parent has them.
	for (const each of [path, posix.dirname(path)]) {
		for (const slave of files.list(`${each}/slaves`) ?? []) follow(files.real(`${each}/slaves/${slave}`));
		const backing = files.read(`${each}/loop/backing_file`)?.replace(/\n$/, "");
		if (backing !== undefined) for (const bdf of behindFile(files, mounts, backing)) found.add(bdf);
	}
	const subsystem = /^(\/sys\/devices\/virtual\/nvme-subsystem\/[^/]+)\//.exec(path)?.[1];
	if (subsystem !== undefined) {
		const controllers = (files.list(subsystem) ?? []).filter((name) => /^nvme\d+$/.test(name));
		for (const name of controllers) follow(files.real(`${subsystem}/${name}`));
	}
	return found;
}

function behindSwap(files: Files, mounts: readonly Mount[], path: string): Set<Bdf> {
	const block = path.startsWith("/dev/") ? blockOfNode(files, path) : null;
	return block === null ? behindFile(files, mounts, path) : behindBlock(files, mounts, block);
}

/** A file lies on the file system with the longest mount point above it; the last mounted one there counts. */
function behindFile(files: Files, mounts: readonly Mount[], path: string): Set<Bdf> {
	let best: Mount | null = null;
	for (const mount of mounts) {
		const holds = path === mount.point || path.startsWith(mount.point === "/" ? "/" : `${mount.point}/`);
		if (holds && mount.point.length >= (best?.point.length ?? 0)) best = mount;
	}
	// A loop device on itself is no file system that exists, but mountinfo is read while it changes.
	const rest = mounts.filter((mount) => mount !== best);
	return best === null ? new Set() : behindMount(files, rest, best);
}
