/** The read-only images, as virtio disks that the initramfs finds by serial number. */
import { DISK_SERIAL } from "../../wire/names.ts";
import { EXECUTABLE_FD } from "../decide.ts";
import type { DiskImage } from "../facts.ts";
import type { MachinePlan } from "../machine-plan.ts";
import { keyval } from "./keyval.ts";

/** QEMU's name for the inherited executable: no path is opened, so it does not matter what lies there by now. */
const EXECUTABLE_SET = 1;

function disk(id: string, image: DiskImage, serial: string): string[] {
	const node = { driver: "raw", "node-name": id, "read-only": true };
	const blockdev =
		image.kind === "file"
			? { ...node, "file.driver": "file", "file.filename": image.path }
			: {
					...node,
					offset: image.offset,
					size: image.size,
					"file.driver": "file",
					"file.filename": `/dev/fdset/${EXECUTABLE_SET}`,
					// Nobody writes to a program that runs, and a lock would be one for all machines of this launcher's.
					"file.locking": "off",
				};
	return ["-blockdev", keyval("", blockdev), "-device", keyval("virtio-blk-pci", { drive: id, serial })];
}

/** Whether QEMU has to inherit the launcher's executable. */
export function usesExecutable({ images }: Pick<MachinePlan, "images">): boolean {
	return [images.root, images.guest].some(({ kind }) => kind === "executable");
}

export function disksArgv(plan: MachinePlan): string[] {
	const { root, guest, drivers, look } = plan.images;
	return [
		...(usesExecutable(plan) ? ["-add-fd", keyval("", { fd: EXECUTABLE_FD, set: EXECUTABLE_SET })] : []),
		...disk("root", root, DISK_SERIAL.root),
		...disk("guest", guest, DISK_SERIAL.guest),
		...(drivers === null ? [] : disk("drivers", { kind: "file", path: drivers }, DISK_SERIAL.drivers)),
		...(look === null ? [] : disk("look", { kind: "file", path: look }, DISK_SERIAL.look)),
	];
}
