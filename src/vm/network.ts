/** Starts what carries the guest's traffic: passt, and the packet filter before it, each a process of its own. docs/decisions/network.md */
import { lookup } from "node:dns/promises";
import { closeSync, readFileSync } from "node:fs";
import { z } from "zod";
import type { Config } from "../config/schema.ts";
import { Fault, reason } from "../errors.ts";
import { formatAddress, parseAddress } from "../filter/address.ts";
import type { PolicyText } from "../filter/policy.ts";
import { parseRule } from "../filter/rules.ts";
import { areNamespacesRestricted } from "../host/user-namespaces.ts";
import { adoptSocket } from "../network/adopt.ts";
import { greetPasst } from "../network/passt-greeting.ts";
import { openSocketPair } from "../network/socket-pair.ts";
import { passtArgv } from "../plan/passt.ts";
import { LineSplitter } from "../wire/lines.ts";
import type { LogFile } from "./logs.ts";
import { Child } from "./process.ts";

/** Name of the hidden verb that filters; its one argument is a `FilterOrder` as JSON. */
export const FILTER_VERB = "net-filter";
/** Its descriptors: towards QEMU, towards passt, and the launcher's, to which it tells whether passt answers. */
export const FILTER_FD = { status: 3, guest: 4, outside: 5 } as const;
/** Nothing of the user's; our own program wants a home, which it does not look into. */
const NO_ENVIRONMENT = { HOME: "/nonexistent" };
const STATUS_CHARS_MAX = 1000;
/** It takes some 30 ms. */
const PASST_ANSWER_MS = 5_000;

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
	readonly ipv6: boolean;
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

export function startNetwork({ passt, policy, ipv6, log }: NetworkOrder): StartedNetwork {
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
		carrier = Child.start({
			argv: [...passt, ...passtArgv(policy, { ipv6, resolver: findResolver() })],
			env: NO_ENVIRONMENT,
			log,
			fds: [outside.fds[1]],
		});
	} catch (error) {
		filter.kill("SIGKILL");
		guest[Symbol.dispose]();
		throw error;
	}
	let isOpen = true;
	const handedOver = () => {
		if (isOpen) guest[Symbol.dispose]();
		isOpen = false;
	};
	return {
		fd: guest.fds[1],
		handedOver,
		outcome: outcomeOf(filter, carrier),
		pids: [filter.pid, carrier.pid],
		[Symbol.asyncDispose]: async () => {
			handedOver();
			await filter[Symbol.asyncDispose]();
			await carrier[Symbol.asyncDispose]();
		},
	};
}

/** Null if passt carries traffic on this host, else why not. For `doctor`. */
export async function whyNoPasst(passt: readonly string[]): Promise<string | null> {
	const { fds } = openSocketPair();
	const child = Bun.spawn(
		[...passt, ...passtArgv({ mode: "internet", allow: [], deny: [] }, { ipv6: false, resolver: null })],
		{
			env: NO_ENVIRONMENT,
			stdio: ["ignore", "ignore", "pipe", fds[1]],
		},
	);
	closeSync(fds[1]);
	const socket = adoptSocket(fds[0]);
	const timer = setTimeout(() => child.kill("SIGKILL"), PASST_ANSWER_MS);
	try {
		const ended = child.exited.then((code) => Promise.reject(new Error(`passt ended with ${code}`)));
		await Promise.race([greetPasst(socket), ended]);
		return null;
	} catch (error) {
		child.kill("SIGKILL");
		const said = (await new Response(child.stderr).text()).trim().split("\n").at(-1) ?? "";
		return said.slice(0, 200) || reason(error);
	} finally {
		clearTimeout(timer);
		socket.destroy();
		child.kill("SIGKILL");
	}
}

async function outcomeOf(filter: Child, carrier: Child): Promise<string | null> {
	const { promise, resolve } = Promise.withResolvers<string | null>();
	const lines = new LineSplitter(STATUS_CHARS_MAX);
	filter.streams[0]?.on("data", (bytes: Buffer) => {
		for (const line of lines.push(bytes)) if (isReady(line)) resolve(null);
	});
	void filter.exited.then((code) => resolve(`the packet filter ended with ${code}`));
	void carrier.exited.then((code) => resolve(`passt ended with ${code}${hint()}`));
	return await promise;
}

function hint(): string {
	if (!areNamespacesRestricted()) return "";
	return ": AppArmor forbids user namespaces here; install the package passt, whose profile allows them";
}

function isReady(line: string): boolean {
	try {
		return filterStatusSchema.parse(JSON.parse(line)).ready;
	} catch {
		return false;
	}
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
