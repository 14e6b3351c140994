/** What `--allow` and `--deny` say, and which rule counts for an address and a port. Pure. */
import { isInside, type Prefix, parsePrefix } from "./address.ts";

export interface RuleText {
	/** An address or prefix, or a name that has yet to be looked up. */
	readonly host: Prefix | string;
	/** Null: every port, and ping. */
	readonly port: number | null;
}

export interface Rule {
	readonly action: "allow" | "deny";
	readonly prefix: Prefix;
	readonly port: number | null;
}

/** RFC 1123, a dot at the end left out; all digits and dots is a mistyped address. */
const NAME =
	/^(?=.{1,253}$)(?!\d+(\.\d+)*$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/i;

const LOOPBACK = ["127.0.0.0/8", "::1"].map(parsePrefix).filter((prefix) => prefix !== null);

/** Whether a rule for this prefix speaks of the host's loopback; `0.0.0.0/0` does not. */
export function isLoopback(prefix: Prefix): boolean {
	return LOOPBACK.some(
		(each) => each.bytes.length === prefix.bytes.length && prefix.bits >= each.bits && isInside(each, prefix.bytes),
	);
}

/** `HOST`, `HOST:PORT`, `[IPv6]:PORT`; HOST is a name, an address or `address/bits`. Null for anything else. */
export function parseRule(text: string): RuleText | null {
	const bracketed = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text);
	if (bracketed) return makeRule(bracketed[1] ?? "", bracketed[2], true);
	const whole = parsePrefix(text);
	if (whole) return { host: whole, port: null };
	const colon = text.lastIndexOf(":");
	return colon < 0 ? makeRule(text, undefined) : makeRule(text.slice(0, colon), text.slice(colon + 1));
}

function makeRule(host: string, port: string | undefined, mustBeIpv6 = false): RuleText | null {
	if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65535)) return null;
	const prefix = parsePrefix(host);
	const number = port === undefined ? null : Number(port);
	if (prefix !== null) return mustBeIpv6 === (prefix.bytes.length === 16) ? { host: prefix, port: number } : null;
	return !mustBeIpv6 && NAME.test(host) ? { host: host.toLowerCase(), port: number } : null;
}

/**
 * The rule that counts: that of the longest prefix, among equals one that names a port, among equals the one that denies.
 * `port` is null for packets that have none. Null where no rule speaks of it.
 */
export function ruleFor(
	rules: readonly Rule[],
	packet: Uint8Array,
	at: number,
	bytes: 4 | 16,
	port: number | null,
): Rule | null {
	let best: Rule | null = null;
	for (const rule of rules) {
		if (rule.prefix.bytes.length !== bytes || !isInside(rule.prefix, packet, at)) continue;
		if (rule.port !== null && rule.port !== port) continue;
		if (best === null || isStronger(rule, best)) best = rule;
	}
	return best;
}

function isStronger(rule: Rule, other: Rule): boolean {
	if (rule.prefix.bits !== other.prefix.bits) return rule.prefix.bits > other.prefix.bits;
	if ((rule.port !== null) !== (other.port !== null)) return rule.port !== null;
	return rule.action === "deny";
}
