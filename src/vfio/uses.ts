/** What this system needs PCI functions for right now: disks, the network's way out, keyboards. */
import { type Bdf, bdfsInPath } from "./bdf.ts";
import { findDiskUses, zfsMounts } from "./block.ts";
import type { Files } from "./files.ts";

export interface Use {
	readonly kind: "root" | "mount" | "swap" | "route" | "keyboard";
	/** Mount point, swap's path, network interface, keyboard's name. */
	readonly what: string;
}

export interface FoundUse {
	readonly bdf: Bdf;
	readonly use: Use;
}

/** Everything above a device counts as used, too: its controller, and the bridges up to the root. */
export function findUses(files: Files): ReadonlyMap<Bdf, readonly Use[]> {
	const uses = new Map<Bdf, Use[]>();
	for (const { bdf, use } of [...findDiskUses(files), ...findRouteUses(files), ...findKeyboards(files)]) {
		const known = uses.get(bdf) ?? [];
		if (!known.some(({ kind, what }) => kind === use.kind && what === use.what)) uses.set(bdf, [...known, use]);
	}
	return uses;
}

export { zfsMounts };

function findRouteUses(files: Files): FoundUse[] {
	const found: FoundUse[] = [];
	for (const name of defaultInterfaces(files)) {
		for (const bdf of behindInterface(files, name)) found.push({ bdf, use: { kind: "route", what: name } });
	}
	return found;
}

/** RTF_REJECT: the kernel's own "unreachable" routes. */
const RTF_REJECT = 0x200;

function defaultInterfaces(files: Files): Set<string> {
	const names = new Set<string>();
	for (const line of (files.read("/proc/net/route") ?? "").split("\n").slice(1)) {
		const [name, destination, , , , , , mask] = line.trim().split(/\s+/);
		if (name !== undefined && destination === "00000000" && mask === "00000000") names.add(name);
	}
	for (const line of (files.read("/proc/net/ipv6_route") ?? "").split("\n")) {
		const [destination, length, , , , , , , flags, name] = line.trim().split(/\s+/);
		if (name === undefined || name === "lo" || length !== "00" || !/^0{32}$/.test(destination ?? "")) continue;
		if ((Number.parseInt(flags ?? "", 16) & RTF_REJECT) === 0) names.add(name);
	}
	return names;
}

/** Bridges, bonds and VLANs lead to the interfaces below them. */
function behindInterface(files: Files, name: string, seen = new Set<string>()): Bdf[] {
	if (!isInterfaceName(name) || seen.has(name)) return [];
	seen.add(name);
	const own = bdfsInPath(files.real(`/sys/class/net/${name}`) ?? "");
	if (own.length > 0) return own;
	const lower = (files.list(`/sys/class/net/${name}`) ?? []).filter((entry) => entry.startsWith("lower_"));
	return lower.flatMap((entry) => behindInterface(files, entry.slice("lower_".length), seen));
}

function isInterfaceName(name: string): boolean {
	return name !== "" && name !== "." && name !== ".." && !name.includes("/");
}

/**
 * Full keyboards as udev tells them from buttons and remote controls: they have all of the first 32 keys (Escape, the
 * digits, Q to D) but number 0, which is reserved.
 */
function findKeyboards(files: Files): FoundUse[] {
	const found: FoundUse[] = [];
	for (const section of (files.read("/proc/bus/input/devices") ?? "").split("\n\n")) {
		const field = (start: string) =>
			section
				.split("\n")
				.find((line) => line.startsWith(start))
				?.slice(start.length) ?? "";
		const keys = field("B: KEY=").trim().split(" ").at(-1) ?? "";
		if (!/f{7}[ef]$/.test(keys)) continue;
		const what = field("N: Name=").replace(/^"|"$/g, "");
		// The path under /sys has no links in it.
		for (const bdf of bdfsInPath(field("S: Sysfs=").trim())) found.push({ bdf, use: { kind: "keyboard", what } });
	}
	return found;
}
