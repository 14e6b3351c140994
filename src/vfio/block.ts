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

export function findDiskUses(files: Files): FoundUse[] {
	const mounts = readMounts(files);
	const found: FoundUse[] = [];
	for (const mount of mounts) {
		const kind = mount.point === "/" ? "root" : "mount";
		const walk = new Walk(files, mounts);
		walk.mount(mount);
		for (const bdf of walk.found) found.push({ bdf, use: { kind, what: mount.point } });
	}
	for (const path of readSwaps(files)) {
		const walk = new Walk(files, mounts);
		walk.nodeOrFile(path);
		for (const bdf of walk.found) found.push({ bdf, use: { kind: "swap", what: path } });
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

/** From a file system down to PCI functions, through partitions, device mapper, RAID, loop devices and NVMe's multipath heads. */
class Walk {
	readonly found = new Set<Bdf>();
	/** Links may lead in circles while things come and go. */
	readonly #seen = new Set<string>();
	readonly #files: Files;
	readonly #mounts: readonly Mount[];

	constructor(files: Files, mounts: readonly Mount[]) {
		this.#files = files;
		this.#mounts = mounts;
	}

	mount({ device, source, point }: Mount): void {
		if (!this.#isNew(`mount ${device} ${point}`)) return;
		if (/^\d+:\d+$/.test(device) && !device.startsWith("0:")) {
			this.#block(this.#files.real(`/sys/dev/block/${device}`));
			return;
		}
		// btrfs and bcachefs have anonymous numbers; bcachefs names all its devices, btrfs one.
		for (const node of source.split(":").filter((each) => each.startsWith("/dev/"))) {
			for (const path of this.#withBtrfsSiblings(this.#blockOfNode(node))) this.#block(path);
		}
	}

	/** Swap space is either. */
	nodeOrFile(path: string): void {
		const block = path.startsWith("/dev/") ? this.#blockOfNode(path) : null;
		if (block === null) this.#file(path);
		else this.#block(block);
	}

	/** A file lies on the file system with the longest mount point above it; the last mounted one there counts. */
	#file(path: string): void {
		let best: Mount | null = null;
		for (const mount of this.#mounts) {
			const holds = path === mount.point || path.startsWith(mount.point === "/" ? "/" : `${mount.point}/`);
			if (holds && mount.point.length >= (best?.point.length ?? 0)) best = mount;
		}
		if (best !== null) this.mount(best);
	}

	#block(path: string | null): void {
		if (path === null || !this.#isNew(path)) return;
		const above = bdfsInPath(path);
		for (const bdf of above) this.found.add(bdf);
		if (above.length > 0) return;
		// A partition's parent has what a partition has not.
		for (const each of [path, posix.dirname(path)]) {
			for (const slave of this.#files.list(`${each}/slaves`) ?? []) {
				this.#block(this.#files.real(`${each}/slaves/${slave}`));
			}
			const backing = this.#files.read(`${each}/loop/backing_file`)?.replace(/\n$/, "");
			if (backing !== undefined) this.#file(backing);
		}
		const subsystem = /^(\/sys\/devices\/virtual\/nvme-subsystem\/[^/]+)\//.exec(path)?.[1];
		if (subsystem === undefined) return;
		const controllers = (this.#files.list(subsystem) ?? []).filter((name) => /^nvme\d+$/.test(name));
		for (const name of controllers) this.#block(this.#files.real(`${subsystem}/${name}`));
	}

	/** `/dev/mapper/root` -> `/sys/devices/virtual/block/dm-0`. */
	#blockOfNode(node: string): string | null {
		const real = this.#files.real(node);
		return real === null ? null : this.#files.real(`/sys/class/block/${posix.basename(real)}`);
	}

	#withBtrfsSiblings(block: string | null): readonly (string | null)[] {
		if (block === null) return [];
		for (const id of this.#files.list("/sys/fs/btrfs") ?? []) {
			const folder = `/sys/fs/btrfs/${id}/devices`;
			const members = this.#files.list(folder) ?? [];
			if (members.includes(posix.basename(block))) return members.map((each) => this.#files.real(`${folder}/${each}`));
		}
		return [block];
	}

	#isNew(what: string): boolean {
		if (this.#seen.has(what)) return false;
		this.#seen.add(what);
		return true;
	}
}
