/** The guest's network card. A snapshot holds it, set up; what is behind it is each machine's own. */
import { LINK } from "../../filter/link.ts";
import { NETWORK_CARD } from "../../wire/names.ts";
import type { MachinePlan } from "../machine-plan.ts";
import { keyval } from "./keyval.ts";

const USER = { id: "net", net: `${LINK.address}/${LINK.prefixBits}`, ipv6: false } as const;

/** What is behind the card; null without one. */
function backend({ network, networkFd, snapshot }: MachinePlan): string | null {
	if (network.kind === "none") return null;
	// Nothing for a machine that is being made into a snapshot: a hub that nobody is on. QEMU's user network would be saved too.
	if (snapshot?.role === "make") return keyval("hubport", { id: "net", hubid: 0 });
	if (network.kind === "closed") return keyval("user", { ...USER, restrict: true });
	if (network.kind === "open") return keyval("user", USER);
	return keyval("stream", { id: "net", server: false, "addr.type": "fd", "addr.str": networkFd });
}

export function networkArgv(plan: MachinePlan): string[] {
	const netdev = backend(plan);
	if (netdev === null) return [];
	// Nothing boots from it: no option ROM.
	const card = keyval("virtio-net-pci", { id: "nic", netdev: "net", mac: NETWORK_CARD.mac, romfile: "" });
	return ["-netdev", netdev, "-device", card];
}
