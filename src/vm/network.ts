/** Starts what carries the guest's traffic: passt, and the packet filter before it, each a process of its own. docs/decisions/network.md */
import { lookup } from "node:dns/promises";
import { readFileSync } from "node:fs";
import os from "node:os";
import { z } from "zod";
import type { Config } from "../config/schema.ts";
import { Fault, reason } from "../errors.ts";
import { formatAddress, parseAddress } from "../filter/address.ts";
import { LINK } from "../filter/link.ts";
import { makePolicy, needsLoopback, type PolicyText } from "../filter/policy.ts";
import { isPublicIpv6 } from "../filter/reserved.ts";
import { parseRule } from "../filter/rules.ts";
import { openSocketPair } from "../network/socket-pair.ts";
import { LineSplitter } from "../wire/lines.ts";
import type { LogFile } from "./logs.ts";
import { Child } from "./process.ts";

/** Name of the hidden verb that filters; its one argument is a `FilterOrder` as JSON. */
export const FILTER_VERB = "net-filter";
/** Its descriptors: towards QEMU, towards passt, and the launcher's, to which it tells whether passt answers. */
export const FILTER_FD = { status: 3, guest: 4, outside: 5 } as const;
const PASST_FD = 3;
/** Nothing of the user's; our own program wants a home, which it does not look into. */
const NO_ENVIRONMENT = { HOME: "/nonexistent" };
const STATUS_CHARS_MAX = 1000;

export const filterOrderSchema = z.object({
	mode: z.enum(["internet", "host"]),
	allow: z.array(z.string()),
	deny: z.array(z.string()),
});

/** One line over the status socket. */
export const filterStatusSchema = z.object({ ready: z.boolean() });

export interface NetworkOrder {
	/** How passt is started. */
	readonly passt: readonly string[];
	readonly policy: PolicyText;
	readonly log: LogFile;
}

export interface StartedNetwork extends AsyncDisposable {
	/** For QEMU to inherit; `handedOver` closes it here. */
	readonly fd: number;
	handedOver(): void;
	/** Null once passt answers, else why it never will. The guest then has a card that leads nowhere. */
	readonly outcome: Promise<string | null>;
	readonly pids: readonly number[];
}

export function startNetwork({ passt, policy, log }: NetworkOrder): StartedNetwork {
	const guest = openSocketPair();
	using outside = openSocketPair();
	const filter = Child.start({
		argv: [process.execPath, FILTER_VERB, JSON.stringify(policy)],
		env: NO_ENVIRONMENT,
		log,
		sockets: 1,
		fds: [guest.fds[0], outside.fds[0]],
	});
	let carrier: Child;
	try {
		carrier = Child.start({ argv: [...passt, ...passtArgv(policy)], env: NO_ENVIRONMENT, log, fds: [outside.fds[1]] });
	} catch (error) {
		filter.kill("SIGKILL");
		guest[Symbol.dispose]();
		throw error;
	}
	return {
		fd: guest.fds[1],
		handedOver: () => guest[Symbol.dispose](),
		outcome: outcomeOf(filter, carrier),
		pids: [filter.pid, carrier.pid],
		[Symbol.asyncDispose]: async () => {
			await filter[Symbol.asyncDispose]();
			await carrier[Symbol.asyncDispose]();
		},
	};
}

async function outcomeOf(filter: Child, carrier: Child): Promise<string | null> {
	const { promise, resolve } = Promise.withResolvers<string | null>();
	const lines = new LineSplitter(STATUS_CHARS_MAX);
	filter.streams[0]?.on("data", (bytes: Buffer) => {
		for (const line of lines.push(bytes)) if (isReady(line)) resolve(null);
	});
	void filter.exited.then((code) => resolve(`the packet filter ended with ${code}`));
	void carrier.exited.then((code) => resolve(`passt ended with ${code}`));
	return await promise;
}

function isReady(line: string): boolean {
	try {
		return filterStatusSchema.parse(JSON.parse(line)).ready;
	} catch {
		return false;
	}
}

function passtArgv(policy: PolicyText): string[] {
	const hasIpv6 = Object.values(os.networkInterfaces()).some((addresses) =>
		addresses?.some(({ address, family }) => family === "IPv6" && isGlobal(address)),
	);
	// The host's resolver is behind one address; the other ways that passt has to the host itself are closed.
	const argv = ["--foreground", "--fd", String(PASST_FD), "--dns", LINK.dns];
	const resolver = findResolver();
	if (resolver !== null) argv.push("--dns-forward", LINK.dns, "--dns-host", resolver);
	argv.push(
		"--search",
		"none",
		"--address",
		LINK.address,
		"--netmask",
		String(LINK.prefixBits),
		"--gateway",
		LINK.gateway,
	);
	if (hasIpv6) argv.push("--address", LINK.address6, "--gateway", LINK.gateway6);
	else argv.push("--ipv4-only");
	if (!needsLoopback(makePolicy(policy, []))) return [...argv, "--no-map-gw"];
	argv.push("--map-host-loopback", LINK.gateway);
	return hasIpv6 ? [...argv, "--map-host-loopback", LINK.gateway6] : argv;
}

/** The host's first name server; passt takes it from there by itself only where it also tells the guest its address. */
function findResolver(): string | null {
	let text: string;
	try {
		text = readFileSync("/etc/resolv.conf", "utf8");
	} catch {
		return null;
	}
	const servers = [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map((match) => match[1] ?? "");
	return servers.find((server) => parseAddress(server)?.length === 4) ?? null;
}

function isGlobal(address: string): boolean {
	const bytes = parseAddress(address);
	// Unique local addresses count: behind a router that translates they reach the internet too.
	return bytes !== null && (isPublicIpv6(bytes) || ((bytes[0] ?? 0) & 0xfe) === 0xfc);
}

/** The configured policy with every name looked up. @throws Fault for one that is not known: a rule must not get lost */
export async function resolvePolicy({ mode, allow, deny }: Config["network"]): Promise<PolicyText | null> {
	if (mode === "none") return null;
	return { mode, allow: await resolveRules(allow ?? []), deny: await resolveRules(deny ?? []) };
}

async function resolveRules(rules: readonly string[]): Promise<string[]> {
	return (await Promise.all(rules.map(resolveRule))).flat();
}

async function resolveRule(text: string): Promise<string[]> {
	const rule = parseRule(text);
	if (rule === null || typeof rule.host !== "string") return [text];
	const port = rule.port === null ? "" : `:${rule.port}`;
	try {
		const found = await lookup(rule.host, { all: true });
		return found.map(({ address, family }) => {
			const bytes = parseAddress(address);
			if (bytes === null) throw new Error(`it has the address ${address}, which is of this host only`);
			return `${family === 6 ? `[${formatAddress(bytes)}]` : address}${port}`;
		});
	} catch (error) {
		throw new Fault(`The host ${rule.host} of a network rule cannot be looked up`, {
			why: reason(error),
			fix: "give its address",
		});
	}
}
