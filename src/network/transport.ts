/** How the launcher reaches a port in the guest. One interface; the kind of machine decides which one it is. */
import type { Duplex } from "node:stream";
import { Fault } from "../errors.ts";
import type { Control } from "../plan/machine-plan.ts";
import { NOTHING_LISTENS } from "./greeting.ts";
import { connectHybrid } from "./hybrid-vsock.ts";
import { connectTcp, connectUnix } from "./tcp.ts";
import { connectVsock } from "./vsock.ts";

export interface Transport {
	/** A connection to the guest's agent; `resume()` it when its reader is in place (ssh2 does). @throws Fault if nothing listens there. */
	connect(): Promise<Duplex>;
}

/**
 * Whether the guest says anything on that port within `timeoutMs`: a refusal comes from its kernel, and counts. A connection alone does
 * not, since QEMU accepts it without asking the guest.
 */
export async function isAnswered(control: Control, port: number, timeoutMs: number): Promise<boolean> {
	const { promise: late, resolve } = Promise.withResolvers<false>();
	const timer = setTimeout(() => resolve(false), timeoutMs);
	const asked = openTransport(control, port)
		.connect()
		.then(
			(stream) => {
				stream.on("error", () => {});
				stream.destroy();
				return true;
			},
			(error: unknown) => error instanceof Fault && (error.details.why?.endsWith(NOTHING_LISTENS) ?? false),
		);
	try {
		return await Promise.race([asked, late]);
	} finally {
		clearTimeout(timer);
	}
}

/** `port` is the guest's vsock port; a control card leads to the agent's only. */
export function openTransport(control: Control, port: number): Transport {
	switch (control.kind) {
		case "vhost-user-vsock":
			return { connect: () => connectHybrid(control.vsockPath, port) };
		case "vhost-vsock":
			return { connect: () => connectVsock(control.cid, port) };
		case "unix":
			return { connect: () => connectUnix(control.path) };
		case "tcp":
			return { connect: () => connectTcp(control.port) };
	}
}
