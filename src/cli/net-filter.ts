/** The hidden verb `net-filter ORDER`: the packet filter between QEMU and passt, on inherited sockets, until one of them closes. */
import { readlinkSync } from "node:fs";
import os from "node:os";
import type { Duplex } from "node:stream";
import { EXIT, Fault, reason } from "../errors.ts";
import { makePolicy, ownPrefixes } from "../filter/policy.ts";
import { adoptSocket } from "../network/adopt.ts";
import { filterFrames } from "../network/frame-filter.ts";
import { greetPasst } from "../network/passt-greeting.ts";
import { FILTER_FD, filterOrderSchema } from "../vm/network.ts";
import { printError } from "./output.ts";

/** How old the list of the host's addresses may be when a frame is judged by it. */
const OWN_AGE_MAX_MS = 200;

export async function netFilter(flags: { readonly order: string }): Promise<number> {
	const order = filterOrderSchema.parse(JSON.parse(flags.order));
	for (const fd of Object.values(FILTER_FD)) checkSocket(fd);
	const status = adoptSocket(FILTER_FD.status);
	const outside = adoptSocket(FILTER_FD.outside);
	// What passt says first is the answer to us; from then on it talks with the guest.
	const early = await greetPasst(outside);
	status.write(`${JSON.stringify({ ready: true })}\n`);
	const guest: Duplex = adoptSocket(FILTER_FD.guest);
	if (early.length > 0) outside.unshift(early);
	const policy = new FreshPolicy(order);
	try {
		const counts = await filterFrames(guest, outside, () => policy.current());
		printError(`filter: ${JSON.stringify(counts)}\n`);
		return EXIT.ok;
	} catch (error) {
		printError(`filter: ${reason(error)}\n`);
		return EXIT.failure;
	}
}

function checkSocket(fd: number): void {
	let target = "";
	try {
		target = readlinkSync(`/proc/self/fd/${fd}`);
	} catch {
		// Not open at all.
	}
	if (!target.startsWith("socket:")) {
		throw new Fault("net-filter is started by the launcher only", { exitCode: EXIT.usage });
	}
}

/** The policy with the host's addresses of this moment. */
class FreshPolicy {
	readonly #order: Parameters<typeof makePolicy>[0];
	#policy;
	#since = 0;

	constructor(order: Parameters<typeof makePolicy>[0]) {
		this.#order = order;
		this.#policy = makePolicy(order, []);
	}

	current() {
		const now = performance.now();
		if (this.#since === 0 || now - this.#since > OWN_AGE_MAX_MS) {
			const addresses = Object.values(os.networkInterfaces()).flatMap((each) => each ?? []);
			this.#policy = makePolicy(this.#order, ownPrefixes(addresses));
			this.#since = now;
		}
		return this.#policy;
	}
}
