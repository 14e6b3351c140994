/** Internet addresses and prefixes as bytes: 4 or 16 of them, compared in a packet where they lie. Pure. */

export interface Prefix {
	/** Network byte order; bits beyond `bits` are zero. */
	readonly bytes: Uint8Array;
	readonly bits: number;
}

/** Whether the address that begins at `at` is in the prefix. The caller knows that it is of the same family. */
export function isInside(prefix: Prefix, packet: Uint8Array, at = 0): boolean {
	const whole = prefix.bits >> 3;
	for (let i = 0; i < whole; i++) if (packet[at + i] !== prefix.bytes[i]) return false;
	const rest = prefix.bits & 7;
	return rest === 0 || (((packet[at + whole] ?? 0) ^ (prefix.bytes[whole] ?? 0)) & (0xff00 >> rest) & 0xff) === 0;
}

/** `192.0.2.0/24`, `2001:db8::/32`, or an address alone. Null for anything else; a network's host bits are cleared. */
export function parsePrefix(text: string): Prefix | null {
	const slash = text.indexOf("/");
	const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
	if (address === null) return null;
	if (slash < 0) return { bytes: address, bits: address.length * 8 };
	const length = text.slice(slash + 1);
	if (!/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) > address.length * 8) return null;
	return maskTo(address, Number(length));
}

export function maskTo(address: Uint8Array, bits: number): Prefix {
	const bytes = address.map((byte, i) => byte & (0xff00 >> Math.max(0, Math.min(8, bits - i * 8))) & 0xff);
	return { bytes, bits };
}

/** Null for anything that is no address as inet_pton(3) takes it. */
export function parseAddress(text: string): Uint8Array | null {
	return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): Uint8Array | null {
	const parts = text.split(".");
	if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) return null;
	return Uint8Array.from(parts, Number);
}

function parseIpv6(text: string): Uint8Array | null {
	const halves = text.split("::");
	if (halves.length > 2) return null;
	const [head, tail] = halves.map(parseGroups);
	if (!head || (halves.length === 2 && !tail)) return null;
	const missing = 16 - head.length - (tail?.length ?? 0);
	// `::` stands for at least one group.
	if (halves.length === 2 ? missing < 2 : missing !== 0) return null;
	return Uint8Array.from([...head, ...Array.from({ length: missing }, () => 0), ...(tail ?? [])]);
}

/** Groups between colons as bytes; the last may be an IPv4 address. */
function parseGroups(text: string): number[] | null {
	if (text === "") return [];
	const bytes: number[] = [];
	const groups = text.split(":");
	for (const [i, group] of groups.entries()) {
		const embedded = i === groups.length - 1 && group.includes(".") ? parseIpv4(group) : null;
		if (embedded) bytes.push(...embedded);
		else if (/^[0-9a-fA-F]{1,4}$/.test(group))
			bytes.push(Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff);
		else return null;
	}
	return bytes;
}

/** As it is usually written; IPv6 without the `::`. */
export function formatAddress(bytes: Uint8Array): string {
	if (bytes.length === 4) return bytes.join(".");
	const groups = Array.from({ length: 8 }, (_, i) =>
		(((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
	);
	return groups.join(":");
}
