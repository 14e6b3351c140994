/** What the launcher and QEMU say to each other: QMP, the serial console, the guest's events. */
import { EVENTS_PORT } from "../../wire/names.ts";
import type { Channel, MachinePlan } from "../machine-plan.ts";
import { keyval } from "./keyval.ts";

function chardev(id: string, channel: Channel): string[] {
	// On TCP QEMU is the client: the launcher listens first, so that no port can be taken in between.
	const where = channel.kind === "fd" ? { fd: channel.fd } : { host: "127.0.0.1", port: channel.port };
	return ["-chardev", keyval("socket", { id, ...where })];
}

export function channelsArgv(plan: MachinePlan): string[] {
	return [
		...chardev("qmp", plan.channels.qmp),
		"-mon",
		keyval("", { chardev: "qmp", mode: "control" }),
		...chardev("serial", plan.channels.serial),
		"-serial",
		"chardev:serial",
		...chardev("events", plan.channels.events),
		"-device",
		"virtio-serial-pci,id=vserial,max_ports=4",
		"-device",
		keyval("virtserialport", { bus: "vserial.0", chardev: "events", name: EVENTS_PORT }),
	];
}
