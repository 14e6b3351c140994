/** Builds the sysfs and procfs of a made-up machine, a part at a time. */
import { posix } from "node:path";
import { MemoryFiles } from "./memory-files.ts";

export interface FunctionSpec {
	readonly bdf: string;
	/** `10de:2684`. */
	readonly id: string;
	/** Six digits. */
	readonly class: string;
	readonly driver?: string;
	readonly group?: number;
	/** Bridges above it, outermost first. */
	readonly under?: readonly string[];
	readonly reset?: string;
	readonly override?: string;
	readonly bootVga?: boolean;
	/** Number of the DRM card, and connector -> `connected enabled`. */
	readonly card?: number;
	readonly connectors?: Readonly<Record<string, string>>;
	readonly soundCard?: number;
	readonly files?: Readonly<Record<string, string>>;
}

const RELEASE = "6.12.48+deb13-amd64";
const HOST_BRIDGE = "/sys/devices/pci0000:00";

export class Machine extends MemoryFiles {
	constructor() {
		super();
		this.file("/proc/sys/kernel/osrelease", `${RELEASE}\n`);
		this.file("/proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\n");
		this.file("/proc/interrupts", "            CPU0\n   0:         30  IR-IO-APIC    2-edge      timer\n");
		this.file("/proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
		this.file("/proc/self/mountinfo", "");
		this.folder("/proc/1/fd");
		this.modules("vfio-pci", "vfio_iommu_type1");
	}

	/** What modprobe would find. */
	modules(...names: string[]): this {
		const lines = names.map((name) => `kernel/drivers/vfio/${name}.ko.xz: kernel/drivers/vfio/vfio.ko.xz\n`);
		return this.file(`/lib/modules/${RELEASE}/modules.dep`, lines.join(""));
	}

	/** Where a function really is. */
	place({ bdf, under = [] }: Pick<FunctionSpec, "bdf" | "under">): string {
		return [HOST_BRIDGE, ...under, bdf].join("/");
	}

	pci(spec: FunctionSpec): this {
		const at = this.place(spec);
		const [vendor, device] = spec.id.split(":");
		this.symlink(`/sys/bus/pci/devices/${spec.bdf}`, `../../../${at.slice("/sys/".length)}`);
		this.file(`${at}/vendor`, `0x${vendor}\n`).file(`${at}/device`, `0x${device}\n`);
		this.file(`${at}/class`, `0x${spec.class}\n`).file(`${at}/driver_override`, `${spec.override ?? "(null)"}\n`);
		if (spec.reset !== undefined) this.file(`${at}/reset_method`, `${spec.reset}\n`);
		if (spec.class.startsWith("0300")) this.file(`${at}/boot_vga`, spec.bootVga ? "1\n" : "0\n");
		if (spec.driver !== undefined) {
			this.folder(`/sys/bus/pci/drivers/${spec.driver}`);
			this.symlink(`${at}/driver`, posix.relative(at, `/sys/bus/pci/drivers/${spec.driver}`));
		}
		if (spec.group !== undefined) this.#join(spec.bdf, at, spec.group);
		if (spec.card !== undefined) this.#drm(at, spec.card, spec.connectors ?? {});
		if (spec.soundCard !== undefined) {
			const [sound, n] = [`${at}/sound/card${spec.soundCard}`, spec.soundCard];
			this.folder(`${sound}/controlC${n}`).folder(`${sound}/pcmC${n}D3p`);
		}
		for (const [name, text] of Object.entries(spec.files ?? {})) this.file(`${at}/${name}`, text);
		return this;
	}

	#join(bdf: string, at: string, group: number): void {
		const folder = `/sys/kernel/iommu_groups/${group}`;
		this.symlink(`${at}/iommu_group`, posix.relative(at, folder));
		this.symlink(`${folder}/devices/${bdf}`, `../../../../${at.slice("/sys/".length)}`);
	}

	#drm(at: string, card: number, connectors: Readonly<Record<string, string>>): void {
		this.folder(`${at}/drm/card${card}`).folder(`${at}/drm/renderD${128 + card}`);
		for (const [name, state] of Object.entries(connectors)) {
			const [status, enabled] = state.split(" ");
			const folder = `${at}/drm/card${card}/card${card}-${name}`;
			this.file(`${folder}/status`, `${status}\n`).file(`${folder}/enabled`, `${enabled ?? "disabled"}\n`);
		}
	}

	/** A block device at `place`, known by its number. */
	block(place: string, number: string): this {
		const name = place.slice(place.lastIndexOf("/") + 1);
		this.folder(place);
		return this.symlink(`/sys/dev/block/${number}`, place).symlink(`/sys/class/block/${name}`, place);
	}

	/** `upper` (a folder in sysfs) is made of `lower`. */
	slave(upper: string, lower: string): this {
		return this.symlink(`${upper}/slaves/${lower.slice(lower.lastIndexOf("/") + 1)}`, lower);
	}

	mount(number: string, point: string, type: string, source: string): this {
		const line = `29 1 ${number} / ${point} rw,relatime shared:1 - ${type} ${source} rw\n`;
		return this.file("/proc/self/mountinfo", `${this.read("/proc/self/mountinfo") ?? ""}${line}`);
	}

	swap(path: string): this {
		return this.file("/proc/swaps", `${this.read("/proc/swaps") ?? ""}${path}  partition\t100\t0\t-2\n`);
	}

	/** A network interface at `place`. */
	net(name: string, place: string): this {
		return this.folder(`${place}/net/${name}`).symlink(`/sys/class/net/${name}`, `${place}/net/${name}`);
	}

	routes(...lines: string[]): this {
		const head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
		return this.file("/proc/net/route", `${head}${lines.join("\n")}\n`);
	}

	/** A process with `paths` open. */
	process(pid: number, name: string, ...paths: string[]): this {
		this.file(`/proc/${pid}/comm`, `${name}\n`);
		paths.forEach((path, fd) => {
			this.symlink(`/proc/${pid}/fd/${fd}`, path);
		});
		return this;
	}

	keyboard(name: string, place: string): this {
		const path = place.slice("/sys".length);
		const keys = "1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe";
		return this.file(
			"/proc/bus/input/devices",
			`${this.read("/proc/bus/input/devices") ?? ""}I: Bus=0003\nN: Name="${name}"\nS: Sysfs=${path}\nB: EV=120013\nB: KEY=${keys}\n\n`,
		);
	}
}
