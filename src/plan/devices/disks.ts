/** The read-only images, as virtio disks that the initramfs finds by serial number. */
import { DISK_SERIAL } from "../../wire/names.ts";
import type { MachinePlan } from "../machine-plan.ts";
import { keyval } from "./keyval.ts";

function disk(id: string, path: string, serial: string): string[] {
	return [
		"-blockdev",
		keyval("", { driver: "raw", "node-name": id, "read-only": true, "file.driver": "file", "file.filename": path }),
		"-device",
		keyval("virtio-blk-pci", { drive: id, serial }),
	];
}

export function disksArgv(plan: MachinePlan): string[] {
	const { root, guest, drivers, look } = plan.images;
	return [
		...disk("root", root, DISK_SERIAL.root),
		...disk("guest", guest, DISK_SERIAL.guest),
		...(drivers === null ? [] : disk("drivers", drivers, DISK_SERIAL.drivers)),
		...(look === null ? [] : disk("look", look, DISK_SERIAL.look)),
	];
}
