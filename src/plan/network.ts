/** What the guest reaches, and who carries its traffic. Pure. docs/decisions/network.md */
import type { Config } from "../config/schema.ts";
import { EXIT, Fault } from "../errors.ts";
import type { PolicyText } from "../filter/policy.ts";
import { type HostFacts, isAtLeast, type QemuFacts } from "./facts.ts";

/** What may be behind the guest's network card. */
export type Network =
	/** There is no card. */
	| { readonly kind: "none" }
	/** passt, behind the packet filter, at the other end of an inherited socket. */
	| { readonly kind: "filtered"; readonly mode: PolicyText["mode"]; readonly ipv6: boolean }
	/** QEMU's own user network: everything that the host reaches (`--network host` where there is no passt). */
	| { readonly kind: "open" }
	/** The same, closed: a card that leads nowhere, where the internet was wished and cannot be had safely. */
	| { readonly kind: "closed"; readonly why: string };

/** `-netdev stream` is there from here on. */
const STREAM_SINCE = "7.2";

/** @throws Fault where rules are given that nobody would keep */
export function decideNetwork(
	config: Config,
	host: Pick<HostFacts, "platform" | "ipv6">,
	qemu: Pick<QemuFacts, "version" | "passt">,
): Network {
	const { mode, allow, deny } = config.network;
	if (mode === "none") {
		if (!allow?.length) return { kind: "none" };
		throw new Fault("--allow opens nothing with --network none", {
			fix: "to open only what --allow names: --network internet --deny 0.0.0.0/0 --deny ::/0 --allow HOST",
			exitCode: EXIT.usage,
		});
	}
	const why = whyNoFilter(host, qemu);
	if (why === null) return { kind: "filtered", mode, ipv6: host.ipv6 };
	if (mode === "internet" && !allow?.length) return { kind: "closed", why };
	if (mode === "host" && !deny?.length) return { kind: "open" };
	throw new Fault(`${mode === "host" ? "--deny" : "--allow"} cannot be kept on this host`, {
		why,
		fix: "leave it out, or use a Linux host",
	});
}

export function whyNoFilter(
	host: Pick<HostFacts, "platform">,
	qemu: Pick<QemuFacts, "version" | "passt">,
): string | null {
	if (host.platform !== "linux")
		return `passt, which keeps the guest to the internet, does not run on ${host.platform}`;
	if (!isAtLeast(qemu.version, STREAM_SINCE)) return `QEMU ${qemu.version} is older than ${STREAM_SINCE}`;
	return qemu.passt === null ? "passt, which keeps the guest to the internet, is not installed" : null;
}

/** What the guest sets up; null where it reaches nothing. */
export function networkWord({ network }: { readonly network: Network }): "ipv4" | "dual" | null {
	switch (network.kind) {
		case "none":
		case "closed":
			return null;
		case "open":
			return "ipv4";
		case "filtered":
			return network.ipv6 ? "dual" : "ipv4";
	}
}

/** For titles and lists: what the user may expect of this machine. */
export function networkLabel({ network }: { readonly network: Network }): string {
	switch (network.kind) {
		case "none":
		case "closed":
			return "[offline]";
		case "open":
			return "[host network]";
		case "filtered":
			return network.mode === "host" ? "[host network]" : "[internet]";
	}
}

/** One line for the user, or null where everything is as it should be. */
export function networkWarning(network: Network): string | null {
	if (network.kind === "closed") return `the guest has no network (${network.why})`;
	const isOpen = network.kind === "open" || (network.kind === "filtered" && network.mode === "host");
	if (!isOpen) return null;
	return "--network host: the guest reaches all that this host reaches, its own services on 127.0.0.1 (as 10.0.2.2) included";
}
