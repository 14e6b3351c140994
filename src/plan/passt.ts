/** passt's arguments. Pure. https://passt.top/builds/latest/web/passt.1.html */
import { LINK } from "../filter/link.ts";
import { makePolicy, needsLoopback, type PolicyText } from "../filter/policy.ts";

/** On which descriptor it finds its socket. */
export const PASST_FD = 3;

export interface PasstFacts {
	/** Whether the host has IPv6. */
	readonly ipv6: boolean;
	/** The host's first IPv4 name server, or null. */
	readonly resolver: string | null;
}

export function passtArgv(policy: PolicyText, { ipv6, resolver }: PasstFacts): string[] {
	// The host's resolver is behind one address; the other ways that passt has to the host itself are closed.
	const dns = resolver === null ? [] : ["--dns-forward", LINK.dns, "--dns-host", resolver];
	const ipv4 = ["--address", LINK.address, "--netmask", String(LINK.prefixBits), "--gateway", LINK.gateway];
	return [
		...["--foreground", "--fd", String(PASST_FD), "--dns", LINK.dns, ...dns, "--search", "none"],
		...ipv4,
		// On a host that is offline passt would go by rules of its own; the loopback card is always there, and binds it to nothing.
		...(ipv6 ? ["--address", LINK.address6, "--gateway", LINK.gateway6] : ["--ipv4-only", "--interface", "lo"]),
		...loopbackArgv(policy, ipv6),
	];
}

function loopbackArgv(policy: PolicyText, ipv6: boolean): string[] {
	if (!needsLoopback(makePolicy(policy, []))) return ["--no-map-gw"];
	const gateways = ipv6 ? [LINK.gateway, LINK.gateway6] : [LINK.gateway];
	return gateways.flatMap((gateway) => ["--map-host-loopback", gateway]);
}
