/** QEMU's command line for the host of the nested test (L1), and where its devices lie. */
import { keyval } from "../../../src/plan/devices/keyval.ts";
import { DISK_SERIAL } from "../../../src/wire/names.ts";
import type { L1Image } from "./image.ts";

/** The devices of the standard L1 by their addresses in it. */
export const L1_DEVICE = {
	/** bochs-display behind a root port, driver bochs-drm; in a group of two with `audio`. */
	gpu: "0000:01:00.0",
	/** Sound of the same card, driver snd_hda_intel. */
	audio: "0000:01:00.1",
	/** e1000e, a group of its own. */
	network: "0000:02:00.0",
	/** A group of its own. */
	nvme: "0000:03:00.0",
	/** A bridge to plain PCI: one group with both cards behind it. */
	bridge: "0000:00:14.0",
	/** secondary-vga behind the bridge, driver bochs-drm. */
	sharedGpu: "0000:04:01.0",
	/** QEMU's teaching device, without a driver. */
	edu: "0000:04:02.0",
} as const;

/** QEMU's names of the displays, for `screendump`. */
export const L1_SCREEN = { gpu: "gpu0", sharedGpu: "gpu1" } as const;

export interface L1Options {
	/** With interrupt remapping unless told otherwise. */
	readonly iommu?: "remapping" | "no-remapping" | "none";
	/** For the kernel's command line. */
	readonly kernelOptions?: readonly string[];
	/** More arguments for QEMU. */
	readonly devices?: readonly string[];
	readonly memoryMiB?: number;
}

export interface L1Paths {
	readonly image: L1Image;
	/** Folder that both sides write to. */
	readonly share: string;
	/** Folder with the binary under test and its assets; read only for L1. */
	readonly host: string;
	readonly nvme: string;
	readonly serial: string;
	readonly qmp: string;
	readonly commands: string;
}

/** A machine inside needs 0.5 GiB, its QEMU half of that, what L1 writes lies in memory too. */
const MEMORY_MIB = 3072;

/** The frame buffer console would light the displays up; a lit display is the subject of one test, not of all. */
const NO_CONSOLE_ON_DISPLAYS = "drm_kms_helper.fbdev_emulation=0";

const IOMMU: Record<NonNullable<L1Options["iommu"]>, readonly string[]> = {
	remapping: ["-device", "intel-iommu,intremap=on"],
	"no-remapping": ["-device", "intel-iommu,intremap=off"],
	none: [],
};

export function l1Argv(paths: L1Paths, options: L1Options): string[] {
	const { image } = paths;
	const kernel = ["console=ttyS0", "quiet", "loglevel=3", "panic=-1", NO_CONSOLE_ON_DISPLAYS];
	return [
		...["-accel", "tcg,thread=multi,tb-size=1024", "-machine", "q35", "-cpu", "max,la57=off", "-smp", "2"],
		...["-m", `${options.memoryMiB ?? MEMORY_MIB}M`, "-nodefaults", "-no-user-config", "-no-reboot"],
		...["-display", "none", "-vga", "none", "-monitor", "none", "-run-with", "exit-with-parent=on"],
		...IOMMU[options.iommu ?? "remapping"],
		...["-serial", `file:${paths.serial}`],
		...["-qmp", keyval(`unix:${paths.qmp}`, { server: true, wait: false })],
		...disk("root", image.root, DISK_SERIAL.root),
		...disk("layer", image.layer, DISK_SERIAL.guest),
		...share("share", paths.share, false),
		...share("host", paths.host, true),
		...["-chardev", keyval("socket", { id: "commands", path: paths.commands, server: true, wait: false })],
		...["-device", "virtio-serial-pci,id=vserial", "-device", "virtserialport,bus=vserial.0,chardev=commands,name=l1"],
		...victims(paths),
		...(options.devices ?? []),
		...["-kernel", image.kernel, "-initrd", image.initramfs],
		...["-append", [...kernel, ...(options.kernelOptions ?? [])].join(" ")],
	];
}

function disk(id: string, path: string, serial: string): string[] {
	const file = { driver: "raw", "node-name": id, "read-only": true, "file.driver": "file", "file.filename": path };
	return ["-blockdev", keyval("", file), "-device", keyval("virtio-blk-pci", { drive: id, serial })];
}

function share(tag: string, path: string, readonly: boolean): string[] {
	const options = { path, mount_tag: tag, security_model: "none", multidevs: "remap", readonly };
	return ["-virtfs", keyval("local", options)];
}

/** What is there to be passed on, and what must not be. No option ROMs: the bundle carries none for them. */
function victims(paths: L1Paths): string[] {
	const port = (id: string, chassis: number, addr: string) =>
		keyval("pcie-root-port", { id, bus: "pcie.0", chassis, addr });
	return [
		...["-device", port("rp1", 1, "10.0")],
		...["-device", "bochs-display,id=gpu0,bus=rp1,addr=0.0,multifunction=on,romfile="],
		...["-device", "intel-hda,id=hda0,bus=rp1,addr=0.1"],
		...["-device", port("rp2", 2, "11.0"), "-netdev", "user,id=n0", "-device", "e1000e,bus=rp2,netdev=n0,romfile="],
		...["-device", port("rp3", 3, "12.0")],
		...["-drive", keyval("", { file: paths.nvme, format: "raw", if: "none", id: "nv" })],
		...["-device", "nvme,id=nvme0,serial=vf0,drive=nv,bus=rp3"],
		...["-device", "pcie-pci-bridge,id=pb,bus=pcie.0,addr=14.0"],
		...["-device", "secondary-vga,id=gpu1,bus=pb,addr=1.0,romfile=", "-device", "edu,id=edu0,bus=pb,addr=2.0"],
	];
}
