/**
 * A machine with one card, made of files in a folder, and what the kernel does when somebody writes to its sysfs: enough of it for
 * binding and giving back. Reading, the journal and the writes themselves (each a process) are real.
 */
import {
	closeSync,
	constants,
	existsSync,
	mkdirSync,
	mkdtempSync,
	openSync,
	readFileSync,
	readlinkSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { Journals } from "../../../src/vfio/journal.ts";
import { writeSysfs } from "../../../src/vfio/sysfs.ts";
import { hostWorld, type NodeOwner, type World } from "../../../src/vfio/world.ts";

export const GPU = "0000:01:00.0";
export const SOUND = "0000:01:00.1";
export const GROUP = 9;
export const NODE = `/dev/vfio/${GROUP}`;
export const BOOT = "11111111-2222-3333-4444-555555555555";
/** Who asks for the card. */
export const USER = 1000;
export const ORIGINAL = { [GPU]: "nouveau", [SOUND]: "snd_hda_intel" } as const;

const DRIVERS = ["nouveau", "snd_hda_intel", "vfio-pci", "other"];
const HANG_MS = 400;

export class FakeMachine implements Disposable {
	readonly root: string;
	/** Drivers that take nothing. */
	readonly unwilling = new Set<string>();
	/** Attributes (as their paths end) whose writes never come back. */
	readonly hanging = new Set<string>();
	/** What was written, in order: `attribute text`. */
	readonly written: string[] = [];
	readonly owners = new Map<string, NodeOwner>();

	/** With `root`: one that another process made. */
	constructor(root?: string) {
		this.root = root ?? mkdtempSync(join(tmpdir(), "vg-vfio-"));
		if (root === undefined) this.#make();
	}

	at(path: string): string {
		return this.root + path;
	}

	driver(bdf: string): string | null {
		const link = this.at(`/sys/bus/pci/devices/${bdf}/driver`);
		return existsSync(link) ? basename(readlinkSync(link)) : null;
	}

	override(bdf: string): string | null {
		const text = readFileSync(this.at(`/sys/bus/pci/devices/${bdf}/driver_override`), "utf8").trim();
		return text === "(null)" ? null : text;
	}

	/** Drivers and overrides of both functions. */
	state() {
		return Object.fromEntries([GPU, SOUND].map((bdf) => [bdf, [this.driver(bdf), this.override(bdf)]]));
	}

	/** A process that has the group's node open; the function ends it. */
	hold(pid = 4711, node = NODE): () => void {
		const folder = this.at(`/proc/${pid}`);
		this.#put(`/proc/${pid}/comm`, "qemu-system-x86\n");
		mkdirSync(join(folder, "fd"), { recursive: true });
		symlinkSync(node, join(folder, "fd/7"));
		return () => rmSync(folder, { recursive: true });
	}

	/** @param direct no process for each write: for tests of which there are many */
	world(direct = false): World {
		const journals = new Journals(this.at("/var/lib/virtualghost/vfio"), process.getuid?.() ?? 0);
		return {
			...hostWorld(this.root, journals),
			pollMs: 5,
			loadModule: () => Promise.resolve(),
			settle: () => Promise.resolve(),
			write: async (path, text, keep) => {
				this.written.push(`${path.replace("/sys/bus/pci/", "").replace("devices/", "")} ${text || "-"}`);
				const hangs = [...this.hanging].some((end) => path.endsWith(end));
				if (hangs) return await this.#hang(text, keep);
				if (!direct) await writeSysfs(this.at(path), text, keep);
				this.#kernel(path, text);
			},
			nodeOwner: (node) => {
				return existsSync(this.at(node)) ? (this.owners.get(node) ?? { uid: 0, mode: 0o600 }) : null;
			},
			giveNode: (node, owner) => {
				if (!existsSync(this.at(node))) throw new Error(`no ${node}`);
				this.owners.set(node, owner);
			},
		};
	}

	async #hang(text: string, keep: number | null): Promise<void> {
		const fifo = this.at("/fifo");
		if (!existsSync(fifo)) Bun.spawnSync(["mkfifo", fifo]);
		await writeSysfs(fifo, text, keep, HANG_MS);
	}

	/** What the kernel does about a write that it has taken. */
	#kernel(path: string, text: string): void {
		if (path === "/sys/bus/pci/drivers_probe") this.#probe(text);
		else if (path.endsWith("/driver_override")) this.#put(path, text === "" ? "(null)\n" : `${text}\n`);
		else if (path.endsWith("/driver/unbind")) {
			rmSync(this.at(`/sys/bus/pci/devices/${text}/driver`));
			if ([GPU, SOUND].every((bdf) => this.driver(bdf) !== "vfio-pci")) rmSync(this.at(NODE), { force: true });
		}
	}

	#probe(bdf: string): void {
		if (this.driver(bdf) !== null) return;
		const wanted = this.override(bdf) ?? ORIGINAL[bdf as keyof typeof ORIGINAL];
		if (!DRIVERS.includes(wanted) || this.unwilling.has(wanted)) return;
		this.bindTo(bdf, wanted);
	}

	bindTo(bdf: string, driver: string): void {
		const link = this.at(`/sys/bus/pci/devices/${bdf}/driver`);
		rmSync(link, { force: true });
		symlinkSync(`../../../../bus/pci/drivers/${driver}`, link);
		if (driver === "vfio-pci") this.#put(NODE, "");
	}

	#put(path: string, text: string): void {
		mkdirSync(dirname(this.at(path)), { recursive: true });
		writeFileSync(this.at(path), text);
	}

	#make(): void {
		const port = "/sys/devices/pci0000:00/0000:00:10.0";
		for (const driver of DRIVERS) this.#put(`/sys/bus/pci/drivers/${driver}/unbind`, "");
		this.#put("/sys/bus/pci/drivers_probe", "");
		mkdirSync(this.at("/sys/bus/pci/devices"), { recursive: true });
		for (const [bdf, pciClass] of [
			[GPU, "0x030000"],
			[SOUND, "0x040300"],
		] as const) {
			const attributes = {
				vendor: "0x10de",
				device: "0x2684",
				class: pciClass,
				driver_override: "(null)",
				reset_method: "bus",
			};
			for (const [name, value] of Object.entries(attributes)) this.#put(`${port}/${bdf}/${name}`, `${value}\n`);
			symlinkSync(`../../../devices/pci0000:00/0000:00:10.0/${bdf}`, this.at(`/sys/bus/pci/devices/${bdf}`));
			symlinkSync(`../../../../kernel/iommu_groups/${GROUP}`, this.at(`${port}/${bdf}/iommu_group`));
			mkdirSync(this.at(`/sys/kernel/iommu_groups/${GROUP}/devices/${bdf}`), { recursive: true });
			this.bindTo(bdf, ORIGINAL[bdf]);
		}
		this.#put("/sys/class/iommu/dmar0/x", "");
		for (const module of ["vfio_pci", "vfio_iommu_type1"]) this.#put(`/sys/module/${module}/refcnt`, "0\n");
		this.#put("/proc/interrupts", " 24: 0 IR-PCI-MSI 0 edge\n");
		this.#put("/proc/sys/kernel/osrelease", "6.12.0\n");
		this.#put("/proc/sys/kernel/random/boot_id", `${BOOT}\n`);
		mkdirSync(this.at("/proc/1/fd"), { recursive: true });
		mkdirSync(this.at("/dev/vfio"), { recursive: true });
	}

	[Symbol.dispose](): void {
		// A reader for a moment: without it the writes that hang would do so for ever.
		if (existsSync(this.at("/fifo"))) closeSync(openSync(this.at("/fifo"), constants.O_RDONLY | constants.O_NONBLOCK));
		rmSync(this.root, { recursive: true, force: true });
	}
}
