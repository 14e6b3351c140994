/**
 * Which of the guest's Ethernet frames may pass. passt connects to the very address that a packet names, so a packet's destination is
 * all there is to judge; what has more than one reading (fragments, options, extension headers, tunnels) never passes. Pure.
 */
import { isInside, type Prefix, parsePrefix } from "./address.ts";
import { isPlainQuery } from "./dns.ts";
import { LINK_BYTES } from "./link.ts";
import { isPublicIpv4, isPublicIpv6 } from "./reserved.ts";
import { type Rule, ruleFor } from "./rules.ts";

export interface Policy {
	/** `internet`: public addresses; `host`: whatever the host reaches, its 127.0.0.1 behind the gateway included. */
	readonly mode: "internet" | "host";
	readonly rules: readonly Rule[];
	/** For the host's loopback, as `--allow 127.0.0.1:80` or `[::1]:80` opens it; of their prefixes only the family counts. */
	readonly loopback: readonly Rule[];
	/** The host's own addresses and the networks that its cards are in. */
	readonly own: readonly Prefix[];
}

/** `refuse`: the guest may be told that it was turned away. */
export type Verdict = "pass" | "refuse" | "drop";

const ETHERNET_BYTES = 14;
const TYPE = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;
export const PROTOCOL = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 } as const;
const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const ARP_BYTES = 28;
const PORT = { dns: 53, dhcp: 67, dhcpv6: 547 } as const;
const ICMP_ECHO = 8;
const ICMPV6 = { echo: 128, routerSolicitation: 133, neighborSolicitation: 135, neighborAdvertisement: 136 } as const;

const prefix = (text: string): Prefix => {
	const parsed = parsePrefix(text);
	if (parsed === null) throw new Error(`${text} is no prefix`);
	return parsed;
};
/** Whatever the rules say: no other machine, or the host's own loopback by another name. */
const NEVER_IPV4 = ["0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "255.255.255.255"].map(prefix);
const NEVER_IPV6 = ["::/96", "::ffff:0:0/96", "fe80::/10", "ff00::/8"].map(prefix);
const ANY_IPV4 = prefix("0.0.0.0");
const BROADCAST = prefix("255.255.255.255");
const UNSPECIFIED = prefix("::");
const LINK_LOCAL = prefix("fe80::/10");
const LINK_MULTICAST = prefix("ff02::/16");
const DHCPV6_SERVERS = prefix("ff02::1:2");

/** Judges the frame of `length` bytes that begins at `at`; they must be there. */
export function judgeFrame(policy: Policy, bytes: Uint8Array, at: number, length: number): Verdict {
	if (length < ETHERNET_BYTES) return "drop";
	const packet = at + ETHERNET_BYTES;
	const size = length - ETHERNET_BYTES;
	switch (word(bytes, at + 12)) {
		case TYPE.ipv4:
			return judgeIpv4(policy, bytes, packet, size);
		case TYPE.ipv6:
			return judgeIpv6(policy, bytes, packet, size);
		case TYPE.arp:
			return judgeArp(bytes, packet, size);
		default:
			return "drop";
	}
}

export function word(bytes: Uint8Array, at: number): number {
	return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

/** Ethernet and IPv4 only. passt answers it by itself; nothing of it leaves the link. */
function judgeArp(bytes: Uint8Array, at: number, size: number): Verdict {
	if (size < ARP_BYTES) return "drop";
	const isPlain = word(bytes, at) === 1 && word(bytes, at + 2) === TYPE.ipv4 && word(bytes, at + 4) === 0x0604;
	const operation = word(bytes, at + 6);
	return isPlain && (operation === 1 || operation === 2) && isInside(LINK_BYTES.network, bytes, at + 24)
		? "pass"
		: "drop";
}

function judgeIpv4(policy: Policy, bytes: Uint8Array, at: number, size: number): Verdict {
	// Version 4, no options; whole, and no fragment.
	if (size < IPV4_BYTES || bytes[at] !== 0x45) return "drop";
	const total = word(bytes, at + 2);
	if (total < IPV4_BYTES || total > size || (word(bytes, at + 6) & 0x3fff) !== 0) return "drop";
	const [from, to, load] = [at + 12, at + 16, at + IPV4_BYTES];
	const loadBytes = total - IPV4_BYTES;
	const protocol = bytes[at + 9] ?? 0;
	const port = portOf(bytes, protocol, load, loadBytes);
	if (port === undefined) return "drop";
	if (protocol === PROTOCOL.udp && port === PORT.dhcp) return judgeDhcp(bytes, from, to);
	if (!equals(LINK_BYTES.address, bytes, from)) return "drop";
	if (protocol === PROTOCOL.icmp ? bytes[load] !== ICMP_ECHO : port === null) return "drop";
	if (NEVER_IPV4.some((each) => isInside(each, bytes, to))) return "drop";
	if (isInside(LINK_BYTES.network, bytes, to)) {
		if (isInside(LINK_BYTES.gateway, bytes, to)) return judgeLoopback(policy, 4, port);
		return judgeDns(policy, bytes, to, protocol, port, load, loadBytes);
	}
	return judgeAddress(policy, bytes, to, 4, port);
}

function judgeDhcp(bytes: Uint8Array, from: number, to: number): Verdict {
	const isFromGuest = isInside(ANY_IPV4, bytes, from) || equals(LINK_BYTES.address, bytes, from);
	const isToServer = isInside(BROADCAST, bytes, to) || isInside(LINK_BYTES.gateway, bytes, to);
	return isFromGuest && isToServer ? "pass" : "drop";
}

/** One question a datagram; TCP would be a connection to the host's resolver, with any bytes in it. */
function judgeDns(
	policy: Policy,
	bytes: Uint8Array,
	to: number,
	protocol: number,
	port: number | null,
	load: number,
	loadBytes: number,
): Verdict {
	if (!isInside(LINK_BYTES.dns, bytes, to) || port !== PORT.dns) return "refuse";
	if (policy.mode === "host") return "pass";
	if (protocol !== PROTOCOL.udp || word(bytes, load + 4) !== loadBytes) return "refuse";
	return isPlainQuery(bytes, load + 8, load + loadBytes) ? "pass" : "drop";
}

function judgeIpv6(policy: Policy, bytes: Uint8Array, at: number, size: number): Verdict {
	if (size < IPV6_BYTES || (bytes[at] ?? 0) >> 4 !== 6) return "drop";
	const loadBytes = word(bytes, at + 4);
	if (loadBytes === 0 || IPV6_BYTES + loadBytes > size) return "drop";
	const [from, to, load] = [at + 8, at + 24, at + IPV6_BYTES];
	const protocol = bytes[at + 6] ?? 0;
	const port = portOf(bytes, protocol, load, loadBytes);
	if (port === undefined) return "drop";
	const isLocal = isInside(LINK_LOCAL, bytes, from);
	if (protocol === PROTOCOL.icmpv6 && bytes[load] !== ICMPV6.echo) {
		return isNeighbourTalk(bytes, load, from, to) && bytes[at + 7] === 255 ? "pass" : "drop";
	}
	if (protocol === PROTOCOL.udp && port === PORT.dhcpv6) {
		return isLocal && isInside(DHCPV6_SERVERS, bytes, to) ? "pass" : "drop";
	}
	if (!isInside(LINK_BYTES.network6, bytes, from)) return "drop";
	if (NEVER_IPV6.some((each) => isInside(each, bytes, to))) return "drop";
	if (isInside(LINK_BYTES.network6, bytes, to)) {
		return isInside(LINK_BYTES.gateway6, bytes, to) ? judgeLoopback(policy, 16, port) : "refuse";
	}
	return judgeAddress(policy, bytes, to, 16, port);
}

/** Answered by passt itself. */
function isNeighbourTalk(bytes: Uint8Array, load: number, from: number, to: number): boolean {
	const type = bytes[load] ?? 0;
	if (type < ICMPV6.routerSolicitation || type > ICMPV6.neighborAdvertisement || type === 134) return false;
	const places = [LINK_LOCAL, LINK_BYTES.network6];
	const isFromGuest = [UNSPECIFIED, ...places].some((each) => isInside(each, bytes, from));
	return isFromGuest && [LINK_MULTICAST, ...places].some((each) => isInside(each, bytes, to));
}

/** The port, null where the protocol has none, undefined for what does not pass at all. */
function portOf(bytes: Uint8Array, protocol: number, load: number, size: number): number | null | undefined {
	switch (protocol) {
		case PROTOCOL.tcp:
			return size < 20 ? undefined : word(bytes, load + 2);
		case PROTOCOL.udp:
			return size < 8 ? undefined : word(bytes, load + 2);
		case PROTOCOL.icmp:
		case PROTOCOL.icmpv6:
			return size < 8 ? undefined : null;
		default:
			return undefined;
	}
}

function judgeLoopback(policy: Policy, family: 4 | 16, port: number | null): Verdict {
	const mine = policy.loopback.filter(
		(rule) => rule.prefix.bytes.length === family && (rule.port === null || rule.port === port),
	);
	const exact = mine.some((rule) => rule.port !== null) ? mine.filter((rule) => rule.port !== null) : mine;
	if (exact.some((rule) => rule.action === "deny")) return "refuse";
	return policy.mode === "host" || exact.length > 0 ? "pass" : "refuse";
}

function judgeAddress(policy: Policy, bytes: Uint8Array, to: number, family: 4 | 16, port: number | null): Verdict {
	const rule = ruleFor(policy.rules, bytes, to, family, port);
	if (rule !== null) return rule.action === "allow" ? "pass" : "refuse";
	if (policy.mode === "host") return "pass";
	const isPublic = family === 4 ? isPublicIpv4(bytes, to) : isPublicIpv6(bytes, to);
	if (!isPublic) return "refuse";
	const isOwn = policy.own.some((each) => each.bytes.length === family && isInside(each, bytes, to));
	return isOwn ? "refuse" : "pass";
}

function equals(address: Uint8Array, bytes: Uint8Array, at: number): boolean {
	return address.every((byte, i) => bytes[at + i] === byte);
}
