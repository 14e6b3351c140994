/** One PCI function as sysfs describes it. */
import { type Bdf, bdfsInPath, parseBdf } from "./bdf.ts";
import type { Files } from "./files.ts";

export const PCI_DEVICES = "/sys/bus/pci/devices";

export interface Connector {
	/** `HDMI-A-1`. */
	readonly name: string;
	/** `connected`, `disconnected` or `unknown`. */
	readonly status: string;
	/** The card sends it a picture. */
	readonly enabled: boolean;
}

export interface PciFunction {
	readonly bdf: Bdf;
	/** Four hexadecimal digits each, lower case. */
	readonly vendor: string;
	readonly device: string;
	/** Six hexadecimal digits: base class, subclass, interface. */
	readonly class: string;
	readonly driver: string | null;
	/** Null where none is set. */
	readonly driverOverride: string | null;
	readonly group: number | null;
	/** In the order in which the kernel tries them; empty: it cannot be reset alone. */
	readonly resetMethods: readonly string[];
	/** The firmware showed its picture here. */
	readonly bootVga: boolean;
	/** Of an SR-IOV virtual function: the card that it is a part of. */
	readonly physicalFunction: Bdf | null;
	/** Number of SR-IOV virtual functions that this one feeds now. */
	readonly virtualFunctions: number;
	/** Bridges above it, outermost first; empty on a root bus. */
	readonly upstream: readonly Bdf[];
	readonly connectors: readonly Connector[];
	/** Device nodes that programs use it by: `/dev/dri/card0`, `/dev/snd/controlC1`, `/dev/vfio/devices/vfio0`. */
	readonly nodes: readonly string[];
	readonly soundCards: readonly string[];
	readonly netInterfaces: readonly string[];
	/** Products of what is plugged into a USB controller. */
	readonly usbDevices: readonly string[];
}

/** Null if there is no such function (any more). */
export function readFunction(files: Files, bdf: Bdf): PciFunction | null {
	const at = (name: string) => `${PCI_DEVICES}/${bdf}/${name}`;
	const id = (name: string, digits: number) => hex(files.read(at(name)), digits);
	const [vendor, device, pciClass] = [id("vendor", 4), id("device", 4), id("class", 6)];
	if (vendor === null || device === null || pciClass === null) return null;
	const drm = readDrm(files, at("drm"));
	const sound = names(files, at("sound"), /^card\d{1,4}$/);
	return {
		bdf,
		vendor,
		device,
		class: pciClass,
		driver: lastPart(files.link(at("driver"))),
		driverOverride: readOverride(files.read(at("driver_override"))),
		group: groupNumber(lastPart(files.link(at("iommu_group")))),
		resetMethods: readResetMethods(files, at),
		bootVga: files.read(at("boot_vga"))?.trim() === "1",
		physicalFunction: parseBdf(lastPart(files.link(at("physfn"))) ?? ""),
		virtualFunctions: Number.parseInt(files.read(at("sriov_numvfs")) ?? "", 10) || 0,
		upstream: bdfsInPath(files.real(`${PCI_DEVICES}/${bdf}`) ?? "").slice(0, -1),
		connectors: drm.connectors,
		nodes: [
			...drm.nodes,
			...sound.flatMap((card) => soundNodes(files, at(`sound/${card}`))),
			...names(files, at("graphics"), /^fb\d{1,3}$/).map((name) => `/dev/${name}`),
			...names(files, at("vfio-dev"), /^vfio\d{1,6}$/).map((name) => `/dev/vfio/devices/${name}`),
			...nvidiaNodes(files, bdf),
		],
		soundCards: sound,
		netInterfaces: names(files, at("net"), /^[^/]{1,15}$/),
		usbDevices: readUsb(files, at("")),
	};
}

/** Like the other functions here, it believes no number that does not look like one. */
function hex(text: string | null, digits: number): string | null {
	const match = /^0x([0-9a-f]+)\s*$/i.exec(text ?? "");
	return match?.[1]?.length === digits ? match[1].toLowerCase() : null;
}

function lastPart(target: string | null): string | null {
	return target === null ? null : target.slice(target.lastIndexOf("/") + 1);
}

function readOverride(text: string | null): string | null {
	const value = text?.replace(/\n$/, "") ?? "";
	return value === "" || value === "(null)" ? null : value;
}

function groupNumber(name: string | null): number | null {
	return name !== null && /^\d{1,7}$/.test(name) ? Number(name) : null;
}

function readResetMethods(files: Files, at: (name: string) => string): readonly string[] {
	const text = files.read(at("reset_method"));
	if (text !== null) return text.split(/\s+/).filter((word) => word !== "");
	// Linux before 5.15 says only whether it can.
	return (files.list(at(".")) ?? []).includes("reset") ? ["reset"] : [];
}

function names(files: Files, folder: string, pattern: RegExp): string[] {
	return (files.list(folder) ?? []).filter((name) => pattern.test(name)).sort(byNumbers);
}

function byNumbers(a: string, b: string): number {
	return a.length - b.length || (a < b ? -1 : 1);
}

function readDrm(files: Files, folder: string): { nodes: string[]; connectors: Connector[] } {
	const minors = names(files, folder, /^(?:card|renderD)\d{1,4}$/);
	const connectors: Connector[] = [];
	for (const card of minors.filter((name) => name.startsWith("card"))) {
		for (const entry of files.list(`${folder}/${card}`) ?? []) {
			if (!entry.startsWith(`${card}-`)) continue;
			const status = files.read(`${folder}/${card}/${entry}/status`)?.trim();
			if (status === undefined) continue;
			const enabled = files.read(`${folder}/${card}/${entry}/enabled`)?.trim() === "enabled";
			connectors.push({ name: entry.slice(card.length + 1), status, enabled });
		}
	}
	connectors.sort((a, b) => (a.name < b.name ? -1 : 1));
	return { nodes: minors.map((name) => `/dev/dri/${name}`), connectors };
}

function soundNodes(files: Files, folder: string): string[] {
	return names(files, folder, /^(?:controlC|pcmC|hwC|midiC)\w{1,16}$/).map((name) => `/dev/snd/${name}`);
}

/** NVIDIA's own driver has nodes beside those of DRM. */
function nvidiaNodes(files: Files, bdf: Bdf): string[] {
	const minor = /^Device Minor:\s*(\d{1,3})\s*$/m.exec(files.read(`/proc/driver/nvidia/gpus/${bdf}/information`) ?? "");
	return minor ? [`/dev/nvidia${minor[1]}`] : [];
}

function readUsb(files: Files, folder: string): string[] {
	const products: string[] = [];
	for (const bus of names(files, folder, /^usb\d{1,3}$/)) {
		for (const port of names(files, `${folder}${bus}`, /^\d{1,3}-\d{1,3}$/)) {
			products.push(files.read(`${folder}${bus}/${port}/product`)?.trim() || "an unnamed device");
		}
	}
	return products;
}
