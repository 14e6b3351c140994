/** Virtio disks that the guest finds by serial number: the read-only images, and what is kept of a run. */
import { DISK_SERIAL, KEPT_DISK_SERIAL } from "../../wire/names.ts";
import { EXECUTABLE_FD } from "../decide.ts";
import type { DiskImage } from "../facts.ts";
import type { KeptDisk, MachinePlan } from "../machine-plan.ts";
import { keyval } from "./keyval.ts";
import type { Port } from "./ports.ts";

/** QEMU's name for the inherited executable: no path is opened, so it does not matter what lies there by now. */
const EXECUTABLE_SET = 1;

function image(id: string, place: DiskImage, serial: string): string[] {
	const node = { driver: "raw", "node-name": id, "read-only": true };
	const blockdev =
		place.kind === "file"
			? { ...node, "file.driver": "file", "file.filename": place.path }
			: {
					...node,
					offset: place.offset,
					size: place.size,
					"file.driver": "file",
					"file.filename": `/dev/fdset/${EXECUTABLE_SET}`,
					// Nobody writes to a program that runs, and a lock would be one for all machines of this launcher's.
					"file.locking": "off",
				};
	return ["-blockdev", keyval("", blockdev), "-device", keyval("virtio-blk-pci", { drive: id, serial })];
}

/** The command line of a QEMU that has the executable under a name of its own instead of inheriting it. */
export function executableByPath(argv: readonly string[], path: string): string[] {
	const at = argv.indexOf("-add-fd");
	const words = at < 0 ? argv : argv.toSpliced(at, 2);
	return words.map((word) => word.replace(`/dev/fdset/${EXECUTABLE_SET}`, path));
}

/** Whether QEMU has to inherit the launcher's executable. */
export function usesExecutable({ images }: Pick<MachinePlan, "images">): boolean {
	return [images.root, images.guest].some(({ kind }) => kind === "executable");
}

/** The first ports are left to network cards. */
const PORT: Readonly<Record<KeptDisk["kind"], Port>> = { home: "port2", work: "port3" };

/** The card of a kept disk, for `-device` and for QMP's `device_add` alike. */
export function keptDiskDevice({ kind }: Pick<KeptDisk, "kind">): Readonly<Record<string, string>> {
	return {
		driver: "virtio-blk-pci",
		id: `${kind}-disk`,
		drive: kind,
		bus: PORT[kind],
		serial: KEPT_DISK_SERIAL[kind],
		// A host without space pauses the guest: its file system must not see errors. vm/full-disk.ts
		werror: "stop",
		rerror: "report",
	};
}

function keptDisk(disk: KeptDisk, isPlugged: boolean): string[] {
	const node = keyval("", {
		driver: "qcow2",
		"node-name": disk.kind,
		// What the guest frees and what it fills with zeros takes no space here.
		discard: "unmap",
		"detect-zeroes": "unmap",
		"file.driver": "file",
		"file.filename": disk.path,
	});
	const { driver = "", ...options } = keptDiskDevice(disk);
	return ["-blockdev", node, ...(isPlugged ? ["-device", keyval(driver, options)] : [])];
}

export function disksArgv(plan: MachinePlan): string[] {
	const { root, guest, drivers, look } = plan.images;
	return [
		...(usesExecutable(plan) ? ["-add-fd", keyval("", { fd: EXECUTABLE_FD, set: EXECUTABLE_SET })] : []),
		...image("root", root, DISK_SERIAL.root),
		...image("guest", guest, DISK_SERIAL.guest),
		...(drivers === null ? [] : image("drivers", { kind: "file", path: drivers }, DISK_SERIAL.drivers)),
		...(look === null ? [] : image("look", { kind: "file", path: look }, DISK_SERIAL.look)),
		// A snapshot has none of them: its card is plugged in when the devices are loaded.
		...plan.disks.flatMap((disk) => keptDisk(disk, plan.snapshot === null)),
	];
}
