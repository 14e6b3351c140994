/** How the launcher reaches a port in the guest. One interface; the kind of machine decides which one it is. */
import type { Duplex } from "node:stream";
import { Fault } from "../errors.ts";
import type { Control } from "../plan/machine-plan.ts";
import { connectHybrid } from "./hybrid-vsock.ts";
import { connectVsock } from "./vsock.ts";

export interface Transport {
	/** A connection to the guest's agent; `resume()` it when its reader is in place (ssh2 does). @throws Fault if nothing listens there. */
	connect(): Promise<Duplex>;
}

/** @throws Fault where the machine has no way in. */
export function openTransport(control: Control, port: number): Transport {
	switch (control.kind) {
		case "vhost-user-vsock":
			return { connect: () => connectHybrid(control.vsockPath, port) };
		case "vhost-vsock":
			return { connect: async () => await Promise.resolve(connectVsock(control.cid, port)) };
		case "none":
			throw new Fault("This machine's guest cannot be reached", { why: control.why });
	}
}
