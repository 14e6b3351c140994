/** The way to the guest's agent without vsock: a network card that leads to the agent's port and nowhere else. */
import { AGENT_TCP_PORT, CONTROL_CARD } from "../../wire/names.ts";
import type { Control, MachinePlan } from "../machine-plan.ts";
import { keyval } from "./keyval.ts";

/** Where the launcher connects. Never without an address: QEMU would listen on every card of the host. */
function hostEnd(control: Control): string | null {
	switch (control.kind) {
		case "unix":
			return `unix:${control.path}`;
		case "tcp":
			return `tcp:127.0.0.1:${control.port}`;
		default:
			return null;
	}
}

export function controlCardArgv({ control }: MachinePlan): string[] {
	const from = hostEnd(control);
	if (from === null) return [];
	return [
		"-netdev",
		keyval("user", {
			id: "control",
			// The guest reaches neither the host's 127.0.0.1 (through .2) nor its name server (.3) nor anything beyond.
			restrict: true,
			ipv6: false,
			net: CONTROL_CARD.network,
			hostfwd: `${from}-${CONTROL_CARD.address}:${AGENT_TCP_PORT}`,
		}),
		"-device",
		// Nothing boots from it: no option ROM.
		keyval("virtio-net-pci", { netdev: "control", mac: CONTROL_CARD.mac, romfile: "" }),
	];
}
