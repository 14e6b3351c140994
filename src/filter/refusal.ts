/** The answer to a frame that was turned away, so that a program in the guest hears at once what would else be silence. Pure. */
import { PROTOCOL, word } from "./frame.ts";
import { LINK_BYTES } from "./link.ts";

const ETHERNET_BYTES = 14;
const TYPE_IPV4 = 0x0800;
/** Of the packet in question; RFC 792 asks for its header and 8 bytes, and no program looks at more. */
const QUOTED_BYTES_MAX = 64;

/** "Administratively prohibited", for a frame that `judgeFrame` refuses. */
export function refusalFor(bytes: Uint8Array, at: number, length: number): Uint8Array {
	const isIpv4 = word(bytes, at + 12) === TYPE_IPV4;
	const quoted = bytes.subarray(at + ETHERNET_BYTES, at + Math.min(length, ETHERNET_BYTES + QUOTED_BYTES_MAX));
	const ethernet = new Uint8Array(ETHERNET_BYTES);
	ethernet.set(bytes.subarray(at + 6, at + 12), 0);
	ethernet.set(bytes.subarray(at, at + 6), 6);
	ethernet.set(bytes.subarray(at + 12, at + 14), 12);
	const packet = isIpv4 ? refusalIpv4(quoted) : refusalIpv6(quoted);
	return Uint8Array.from([...ethernet, ...packet]);
}

function refusalIpv4(quoted: Uint8Array): Uint8Array {
	const packet = new Uint8Array(20 + 8 + quoted.length);
	packet.set([0x45, 0, packet.length >> 8, packet.length & 0xff, 0, 0, 0, 0, 64, PROTOCOL.icmp]);
	packet.set(LINK_BYTES.gateway.bytes, 12);
	packet.set(quoted.subarray(12, 16), 16);
	putWord(packet, 10, checksum([packet.subarray(0, 20)]));
	// Destination unreachable, communication administratively prohibited.
	packet.set([3, 13], 20);
	packet.set(quoted, 28);
	putWord(packet, 22, checksum([packet.subarray(20)]));
	return packet;
}

function refusalIpv6(quoted: Uint8Array): Uint8Array {
	const load = 8 + quoted.length;
	const packet = new Uint8Array(40 + load);
	packet.set([0x60, 0, 0, 0, load >> 8, load & 0xff, PROTOCOL.icmpv6, 64]);
	packet.set(LINK_BYTES.gateway6.bytes, 8);
	packet.set(quoted.subarray(8, 24), 24);
	// The same in ICMPv6.
	packet.set([1, 1], 40);
	packet.set(quoted, 48);
	const pseudo = Uint8Array.from([...packet.subarray(8, 40), 0, 0, load >> 8, load & 0xff, 0, 0, 0, PROTOCOL.icmpv6]);
	putWord(packet, 42, checksum([pseudo, packet.subarray(40)]));
	return packet;
}

function putWord(bytes: Uint8Array, at: number, value: number): void {
	bytes[at] = value >> 8;
	bytes[at + 1] = value & 0xff;
}

/** The internet checksum (RFC 1071) over pieces of even length, but for the last. */
export function checksum(pieces: readonly Uint8Array[]): number {
	let sum = 0;
	for (const piece of pieces) for (let i = 0; i < piece.length; i += 2) sum += word(piece, i);
	while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
	return ~sum & 0xffff;
}
