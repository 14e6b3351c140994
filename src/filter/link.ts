/** The little network between the guest's card and the program that carries its traffic (passt). Pure. */
import { parseAddress, parsePrefix } from "./address.ts";

/** The addresses of QEMU's user network, which scripts and people know. */
export const LINK = {
	address: "10.0.2.15",
	prefixBits: 24,
	/** Leads to the host's 127.0.0.1 where that was asked for, and nowhere otherwise. */
	gateway: "10.0.2.2",
	/** Questions to it reach the host's resolver. */
	dns: "10.0.2.3",
	/** A unique local prefix (RFC 4193) whose random part is ours. The guest prefers IPv4 to it where a name has both. */
	address6: "fd76:6768:6f73::15",
	gateway6: "fd76:6768:6f73::2",
} as const;

function known<T>(value: T | null): T {
	if (value === null) throw new Error("the link's own addresses are wrong");
	return value;
}

export const LINK_BYTES = {
	address: known(parseAddress(LINK.address)),
	network: known(parsePrefix(`${LINK.address}/${LINK.prefixBits}`)),
	gateway: known(parsePrefix(LINK.gateway)),
	dns: known(parsePrefix(LINK.dns)),
	network6: known(parsePrefix("fd76:6768:6f73::/64")),
	gateway6: known(parsePrefix(LINK.gateway6)),
} as const;
