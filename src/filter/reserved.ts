/**
 * Addresses that are not the public internet, by IANA's special-purpose registries (RFC 6890 and later) and the multicast ranges.
 * What the registries add is either documentation or local: new public space needs no change here, except for IPv6, where only
 * 2000::/3 is given out.
 */
import { isInside, type Prefix, parsePrefix } from "./address.ts";

function prefixes(texts: readonly string[]): readonly Prefix[] {
	return texts.map((text) => {
		const prefix = parsePrefix(text);
		if (prefix === null) throw new Error(`${text} is no prefix`);
		return prefix;
	});
}

const NOT_PUBLIC_IPV4 = prefixes([
	// "This host": connect(2) takes it for 127.0.0.1.
	"0.0.0.0/8",
	"10.0.0.0/8",
	// Shared address space of carriers (RFC 6598), where some clouds have their metadata and VPNs their hosts.
	"100.64.0.0/10",
	"127.0.0.0/8",
	// Link-local, and 169.254.169.254, the metadata of most clouds.
	"169.254.0.0/16",
	"172.16.0.0/12",
	"192.0.0.0/24",
	"192.0.2.0/24",
	// 6to4 relays, withdrawn.
	"192.88.99.0/24",
	"192.168.0.0/16",
	"198.18.0.0/15",
	"198.51.100.0/24",
	"203.0.113.0/24",
	// Multicast, reserved, broadcast.
	"224.0.0.0/3",
	// Azure's "wire server": a public address that only its own machines reach.
	"168.63.129.16/32",
]);

const PUBLIC_IPV6 = prefixes(["2000::/3"]);
const NOT_PUBLIC_IPV6 = prefixes([
	// Protocol assignments: Teredo (an IPv4 address inside), ORCHID, benchmarks, AS112.
	"2001::/23",
	"2001:db8::/32",
	// 6to4: any IPv4 address inside.
	"2002::/16",
	"2620:4f:8000::/48",
	"3fff::/20",
]);

/** NAT64's well-known prefix: a public IPv4 address inside is as good as that. */
const NAT64 = prefixes(["64:ff9b::/96"]);
const NAT64_IPV4_AT = 12;

/** Whether the address that begins at `at` is one of the public internet's. */
export function isPublicIpv4(packet: Uint8Array, at = 0): boolean {
	return !NOT_PUBLIC_IPV4.some((prefix) => isInside(prefix, packet, at));
}

export function isPublicIpv6(packet: Uint8Array, at = 0): boolean {
	if (NAT64.some((prefix) => isInside(prefix, packet, at))) return isPublicIpv4(packet, at + NAT64_IPV4_AT);
	return (
		PUBLIC_IPV6.some((prefix) => isInside(prefix, packet, at)) &&
		!NOT_PUBLIC_IPV6.some((prefix) => isInside(prefix, packet, at))
	);
}
