/** What the launcher and QEMU say to each other: QMP, the serial console, the guest's events. */
import { EVENTS_PORT } from "../../wire/names.ts";
import { isAtLeast } from "../facts.ts";
import type { Channel, MachinePlan } from "../machine-plan.ts";
import { keyval } from "./keyval.ts";

function chardev(id: string, channel: Channel): string[] {
	// On TCP QEMU is the client: the launcher listens first, so that no port can be taken in between.
	const where = channel.kind === "fd" ? { fd: channel.fd } : { host: "127.0.0.1", port: channel.port };
	return ["-chardev", keyval("socket", { id, ...where })];
}

/** From 11.1 on monitors are objects and `-mon` warns that it is deprecated. */
function monitor(plan: MachinePlan): string[] {
	if (isAtLeast(plan.qemuVersion, "11.1")) return ["-object", keyval("monitor-qmp", { id: "monitor", chardev: "qmp" })];
	return ["-mon", keyval("", { chardev: "qmp", mode: "control" })];
}

export function channelsArgv(plan: MachinePlan): string[] {
	return [
		...chardev("qmp", plan.channels.qmp),
		...monitor(plan),
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
