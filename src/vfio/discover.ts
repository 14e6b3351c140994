/** Looks at this system's PCI functions once and gathers what every rule of VFIO needs to know. */
import { type Bdf, compareBdf, isBdf } from "./bdf.ts";
import type { Files } from "./files.ts";
import { findHolders, type Holder } from "./holders.ts";
import { type KernelFacts, readKernel } from "./kernel.ts";
import { PCI_DEVICES, type PciFunction, readFunction } from "./pci-function.ts";
import { findUses, type Use, zfsMounts } from "./uses.ts";

export interface IommuGroup {
	readonly id: number;
	/** Addresses of its PCI functions, sorted. */
	readonly members: readonly Bdf[];
	/** Devices in it that are no PCI functions (platform devices). */
	readonly others: readonly string[];
	/** What QEMU opens: `/dev/vfio/7`. It exists once a member is bound to vfio-pci. */
	readonly node: string;
	/** This user may open the node. */
	readonly mayOpen: boolean;
	/** Processes that have the node open. */
	readonly holders: readonly Holder[];
	/** VFIO made the group up (no-IOMMU mode): nothing protects the host's memory. */
	readonly noIommu: boolean;
	/** The firmware wants a piece of memory mapped for a member at any time; newer kernels then refuse VFIO. */
	readonly firmwareMemory: boolean;
}

export interface PciHost {
	/** Sorted by address. */
	readonly functions: readonly PciFunction[];
	readonly groups: ReadonlyMap<number, IommuGroup>;
	/** At least one IOMMU is at work. */
	readonly iommu: boolean;
	readonly kernel: KernelFacts;
	readonly uses: ReadonlyMap<Bdf, readonly Use[]>;
	/** Who has device nodes of a function open. */
	readonly holders: ReadonlyMap<Bdf, readonly Holder[]>;
	/** False: only this user's own processes could be looked at. */
	readonly holdersComplete: boolean;
	/** Mounted file systems whose disks cannot be found out. */
	readonly zfsMounts: readonly string[];
}

/** Never throws: what vanishes while it is read, or makes no sense, is not there. */
export function discover(files: Files): PciHost {
	const names = (files.list(PCI_DEVICES) ?? []).filter(isBdf).sort(compareBdf);
	const functions = names.map((bdf) => readFunction(files, bdf)).filter((each) => each !== null);
	const { byNode, complete } = findHolders(files);
	const holders = new Map<Bdf, readonly Holder[]>();
	for (const { bdf, nodes } of functions) {
		const found = nodes.flatMap((node) => byNode.get(node) ?? []);
		if (found.length > 0) holders.set(bdf, found);
	}
	const groups = new Map<number, IommuGroup>();
	for (const { group } of functions) {
		if (group !== null && !groups.has(group)) groups.set(group, readGroup(files, group, functions, byNode));
	}
	return {
		functions,
		groups,
		iommu: groups.size > 0 || (files.list("/sys/class/iommu") ?? []).length > 0,
		kernel: readKernel(files),
		uses: findUses(files),
		holders,
		holdersComplete: complete,
		zfsMounts: zfsMounts(files),
	};
}

function readGroup(
	files: Files,
	id: number,
	functions: readonly PciFunction[],
	holders: ReadonlyMap<string, readonly Holder[]>,
): IommuGroup {
	const folder = `/sys/kernel/iommu_groups/${id}`;
	const devices = files.list(`${folder}/devices`) ?? [];
	// The members' own links are the other half of the truth: whoever says that he belongs to it, does.
	const claimed = functions.filter(({ group }) => group === id).map(({ bdf }) => bdf);
	const noIommu = files.read(`${folder}/name`)?.trim() === "vfio-noiommu";
	const node = `/dev/vfio/${noIommu ? "noiommu-" : ""}${id}`;
	return {
		id,
		members: [...new Set([...devices.filter(isBdf), ...claimed])].sort(compareBdf),
		others: devices.filter((name) => !isBdf(name)).sort(),
		node,
		mayOpen: files.mayOpen(node),
		holders: holders.get(node) ?? [],
		noIommu,
		// `direct-relaxable`: the firmware is done with it when Linux runs, as with a display's own memory.
		firmwareMemory: /\sdirect$/m.test(files.read(`${folder}/reserved_regions`) ?? ""),
	};
}

export function findFunction(host: PciHost, bdf: Bdf): PciFunction | null {
	return host.functions.find((each) => each.bdf === bdf) ?? null;
}

export function isDisplay(func: PciFunction): boolean {
	return func.class.startsWith("03");
}

/** PCI bridges stay with the host whatever happens to their group: VFIO wants it so. */
export function isBridge(func: PciFunction): boolean {
	return func.class.startsWith("0604") || func.class.startsWith("0609");
}

/** A host bridge that no driver uses is no obstacle for VFIO, and nothing for a guest. */
export function staysBehind(func: PciFunction): boolean {
	return isBridge(func) || (func.class.startsWith("0600") && func.driver === null);
}

/** The functions of a group that go to VFIO together. */
export function affectedFunctions(host: PciHost, group: IommuGroup): readonly PciFunction[] {
	return group.members
		.map((bdf) => findFunction(host, bdf))
		.filter((each) => each !== null)
		.filter((each) => !staysBehind(each));
}
