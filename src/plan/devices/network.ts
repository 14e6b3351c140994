/** The guest's network card. A restored machine gets it when it runs: no card, and no address, is in a snapshot. */
import { LINK } from "../../filter/link.ts";
import type { MachinePlan } from "../machine-plan.ts";
import { keyval } from "./keyval.ts";
import type { Port } from "./ports.ts";

const PORT: Port = "port0";
const BACKEND = "net";

/** What leads out of QEMU: nothing for a machine that is being made into a snapshot. */
function backend({ network, networkFd, snapshot }: MachinePlan): string | null {
	if (snapshot?.role === "make") return null;
	switch (network.kind) {
		case "none":
			return null;
		case "filtered":
			return keyval("stream", { id: BACKEND, server: false, "addr.type": "fd", "addr.str": networkFd });
		case "open":
			return keyval("user", { id: BACKEND, net: `${LINK.address}/${LINK.prefixBits}` });
		case "closed":
			return keyval("user", { id: BACKEND, net: `${LINK.address}/${LINK.prefixBits}`, restrict: true });
	}
}

/** The properties of the card, as `device_add` takes them; null without a network. */
export function networkCard(plan: MachinePlan): Readonly<Record<string, string>> | null {
	if (backend(plan) === null) return null;
	// Nothing boots from it: no option ROM.
	return { driver: "virtio-net-pci", id: "nic", netdev: BACKEND, bus: PORT, mac: plan.networkMac, romfile: "" };
}

export function networkArgv(plan: MachinePlan): string[] {
	const netdev = backend(plan);
	const card = networkCard(plan);
	if (netdev === null || card === null) return [];
	if (plan.snapshot) return ["-netdev", netdev];
	const { driver = "", ...properties } = card;
	return ["-netdev", netdev, "-device", keyval(driver, properties)];
}
