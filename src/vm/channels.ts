/** QMP, serial console and events: sockets that QEMU inherits, or, on Windows, connections that QEMU makes to us. */
import { once } from "node:events";
import net from "node:net";
import type { Duplex } from "node:stream";
import { Fault } from "../errors.ts";
import { inheritedChannels } from "../plan/decide.ts";
import type { MachinePlan } from "../plan/machine-plan.ts";
import type { ChannelSource } from "./machine.ts";
import type { Child } from "./process.ts";

export interface OpenChannels extends AsyncDisposable {
	/** What the plan says about them. */
	readonly planned: MachinePlan["channels"];
	readonly source: ChannelSource;
}

/** Nothing on disk, nothing to find for other users, nothing stale after a kill. */
export function openInheritedChannels(): OpenChannels {
	return {
		planned: inheritedChannels(),
		source: {
			inherited: 3,
			streams: (child) => Promise.resolve(child.streams as unknown as readonly [Duplex, Duplex, Duplex]),
		},
		[Symbol.asyncDispose]: () => Promise.resolve(),
	};
}

/** Three listeners on 127.0.0.1, each for exactly one connection. Listening first leaves no port to be taken in between. */
export async function openTcpChannels(): Promise<OpenChannels> {
	const listeners = await Promise.all([listen(), listen(), listen()]);
	const [qmp, serial, events] = listeners.map((each) => ({ kind: "tcp" as const, port: each.port }));
	if (!qmp || !serial || !events) throw new Fault("No port on 127.0.0.1 could be opened");
	return {
		planned: { qmp, serial, events },
		source: {
			inherited: 0,
			streams: (child) => acceptAll(listeners, child),
		},
		[Symbol.asyncDispose]: () => {
			for (const each of listeners) each.server.close();
			return Promise.resolve();
		},
	};
}

interface Listener {
	readonly server: net.Server;
	readonly port: number;
	readonly connection: Promise<net.Socket>;
}

async function listen(): Promise<Listener> {
	const server = net.createServer();
	const connection = once(server, "connection").then(([socket]) => {
		server.close();
		(socket as net.Socket).on("error", () => (socket as net.Socket).destroy());
		return socket as net.Socket;
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	return { server, port: (server.address() as net.AddressInfo).port, connection };
}

async function acceptAll(listeners: readonly Listener[], child: Child): Promise<readonly [Duplex, Duplex, Duplex]> {
	const all = Promise.all(listeners.map((each) => each.connection));
	const sockets = await Promise.race([all, child.exited.then(() => null)]);
	const [qmp, serial, events] = sockets ?? [];
	if (!qmp || !serial || !events) throw new Fault("QEMU ended before it had connected to the launcher");
	return [qmp, serial, events];
}
