/** What may reach the host's resolver: one plain question in one datagram. Pure. */

const HEADER_BYTES = 12;
/** RFC 1035, 2.3.4. */
const NAME_BYTES_MAX = 255;
const LABEL_BYTES_MAX = 63;
const CLASS_IN = 1;
const TYPE_OPT = 41;
/** Transfers and other requests to a server rather than questions about a name (RFC 6895: 128 and above); ANY is 255. */
const META_TYPES_FROM = 128;
const ANSWERABLE_META: ReadonlySet<number> = new Set([
	// URI, CAA
	256, 257,
]);

/**
 * Whether the bytes from `at` to `end` are a standard query: no answer, no update, no notification, one question of class IN about
 * one name, and at most an EDNS record. The host's resolver often listens on the host's loopback: nothing else gets there.
 */
export function isPlainQuery(packet: Uint8Array, at: number, end: number): boolean {
	const length = end - at;
	if (length < HEADER_BYTES + 5) return false;
	const word = (offset: number) => ((packet[at + offset] ?? 0) << 8) | (packet[at + offset + 1] ?? 0);
	// QR and OPCODE are zero; AA and TC have no place in a question.
	if ((word(2) & 0xfe00) !== 0) return false;
	if (word(4) !== 1 || word(6) !== 0 || word(8) !== 0 || word(10) > 1) return false;
	const afterName = skipName(packet, at + HEADER_BYTES, end) - at;
	if (afterName < 0 || afterName + 4 > length) return false;
	const type = word(afterName);
	if (type >= META_TYPES_FROM && !ANSWERABLE_META.has(type)) return false;
	if (word(afterName + 2) !== CLASS_IN) return false;
	const rest = afterName + 4;
	if (word(10) === 0) return rest === length;
	// OPT: root name, type, size, extended code and flags, length of its options (RFC 6891).
	if (rest + 11 > length || packet[at + rest] !== 0 || word(rest + 1) !== TYPE_OPT) return false;
	return rest + 11 + word(rest + 9) === length;
}

/** Offset behind the name, which must be whole: a question has nothing to point back to. Far below zero where it is none. */
function skipName(packet: Uint8Array, from: number, end: number): number {
	let at = from;
	for (;;) {
		const label = packet[at] ?? 0xff;
		if (at >= end || label > LABEL_BYTES_MAX || at + 1 + label - from > NAME_BYTES_MAX) return Number.MIN_SAFE_INTEGER;
		at += 1 + label;
		if (label === 0) return at;
	}
}
