/** Ethernet frames for the tests, with every field open to be wrong. */
import { parseAddress } from "../../../src/filter/address.ts";
import { LINK } from "../../../src/filter/link.ts";

export const MAC = { guest: [0x52, 0x54, 0, 1, 2, 3], gateway: [0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55] };

export function bytesOf(address: string): Uint8Array {
	const bytes = parseAddress(address);
	if (bytes === null) throw new Error(`${address} is no address`);
	return bytes;
}

export function frame(type: number, packet: ArrayLike<number>): Uint8Array {
	return Uint8Array.from([...MAC.gateway, ...MAC.guest, type >> 8, type & 0xff, ...Array.from(packet)]);
}

export function tcp(port: number): number[] {
	return [0xc0, 0, port >> 8, port & 0xff, ...Array.from({ length: 16 }, () => 0)];
}

export function udp(port: number, load: ArrayLike<number> = []): number[] {
	const length = 8 + load.length;
	return [0xc0, 0, port >> 8, port & 0xff, length >> 8, length & 0xff, 0, 0, ...Array.from(load)];
}

export const ECHO = [8, 0, 0, 0, 0, 1, 0, 1];
export const ECHO6 = [128, 0, 0, 0, 0, 1, 0, 1];

export function ipv4(
	to: string,
	protocol: number,
	load: readonly number[],
	{ from = LINK.address as string, version = 0x45, fragment = 0, length = 20 + load.length } = {},
): Uint8Array {
	const head = [version, 0, length >> 8, length & 0xff, 0, 0, fragment >> 8, fragment & 0xff, 64, protocol, 0, 0];
	return frame(0x0800, [...head, ...bytesOf(from), ...bytesOf(to), ...load]);
}

export function ipv6(
	to: string,
	protocol: number,
	load: readonly number[],
	{ from = LINK.address6 as string, hops = 64, length = load.length } = {},
): Uint8Array {
	return frame(0x86dd, [
		0x60,
		0,
		0,
		0,
		length >> 8,
		length & 0xff,
		protocol,
		hops,
		...bytesOf(from),
		...bytesOf(to),
		...load,
	]);
}

/** A DNS message with one question; `flags`, `counts` and what follows the question can be other than they should. */
export function dnsQuery(
	name: string,
	{ type = 1, flags = 0x0100, counts = [1, 0, 0, 0], rest = [] as number[] } = {},
): number[] {
	const labels = name.split(".").flatMap((label) => [label.length, ...Buffer.from(label)]);
	const words = [0x1234, flags, ...counts].flatMap((value) => [value >> 8, value & 0xff]);
	return [...words, ...labels, 0, type >> 8, type & 0xff, 0, 1, ...rest];
}
