/** From what the user has said to what the filter judges by. Pure; crosses to the filter's process as JSON. */
import { maskTo, type Prefix, parseAddress } from "./address.ts";
import type { Policy } from "./frame.ts";
import { isLoopback, parseRule, type Rule } from "./rules.ts";

export interface PolicyText {
	readonly mode: Policy["mode"];
	/** Addresses only: names were looked up before. */
	readonly allow: readonly string[];
	readonly deny: readonly string[];
}

/** A card of the host's, as Node's os.networkInterfaces() tells it. */
export interface HostAddress {
	readonly address: string;
	/** `192.0.2.2/24`; null where the netmask is none. */
	readonly cidr: string | null;
}

/** @throws Error for a rule that `parseRule` does not take, or a name */
export function makePolicy({ mode, allow, deny }: PolicyText, own: readonly Prefix[]): Policy {
	const rules = [...allow.map((text) => makeRule("allow", text)), ...deny.map((text) => makeRule("deny", text))];
	return {
		mode,
		rules: rules.filter((rule) => !isLoopback(rule.prefix)),
		loopback: rules.filter((rule) => isLoopback(rule.prefix)),
		own,
	};
}

function makeRule(action: Rule["action"], text: string): Rule {
	const rule = parseRule(text);
	if (rule === null || typeof rule.host === "string") throw new Error(`"${text}" is no address`);
	return { action, prefix: rule.host, port: rule.port };
}

/** Whether passt has to lead the gateway's address to the host's loopback. */
export function needsLoopback({ mode, loopback }: Policy): boolean {
	return mode === "host" || loopback.some((rule) => rule.action === "allow");
}

/** The host itself, and the networks that its cards are in: whoever is on them is a neighbour, public address or not. */
export function ownPrefixes(addresses: readonly HostAddress[]): Prefix[] {
	return addresses.flatMap(({ address, cidr }) => {
		const bytes = parseAddress(address.replace(/%.*$/, ""));
		if (bytes === null) return [];
		const bits = Number(cidr?.split("/")[1] ?? bytes.length * 8);
		// A card that claims everything (some VPNs do) is not next to everything.
		return [maskTo(bytes, bytes.length * 8), ...(bits >= 8 ? [maskTo(bytes, bits)] : [])];
	});
}
