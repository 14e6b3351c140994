/** How the launcher reaches a port in the guest. One interface; the kind of machine decides which one it is. */
import type { Duplex } from "node:stream";
import type { Control } from "../plan/machine-plan.ts";
import { connectHybrid } from "./hybrid-vsock.ts";
import { connectTcp, connectUnix } from "./tcp.ts";
import { connectVsock } from "./vsock.ts";

export interface Transport {
	/** A connection to the guest's agent; `resume()` it when its reader is in place (ssh2 does). @throws Fault if nothing listens there. */
	connect(): Promise<Duplex>;
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
