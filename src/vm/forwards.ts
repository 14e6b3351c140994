/** Ports of the host that lead to ports of the guest. */
import net from "node:net";
import type { Duplex } from "node:stream";
import { EXIT, Fault, reason } from "../errors.ts";

export interface Forward {
	/** Address to listen on; 127.0.0.1 unless said otherwise. */
	readonly host: string;
	/** 0: the system picks one. */
	readonly hostPort: number;
	readonly guestPort: number;
}

const PORT_MAX = 65_535;
/** Connections at a time that one port takes, which are as many as the agent lets through; more are closed at once. */
const CONNECTIONS_MAX = 256;
const FORM = /^(?:(?<host>\[[0-9a-fA-F:.]+\]|[^:[\]]+):)?(?<hostPort>\d+):(?<guestPort>\d+)$/;

/** `[ip:]host:guest`, an IPv6 address in brackets. @throws Fault */
export function parseForward(text: string): Forward {
	const { host = "127.0.0.1", hostPort = "", guestPort = "" } = FORM.exec(text)?.groups ?? {};
	const address = host.replace(/^\[|\]$/g, "");
	const valid =
		FORM.test(text) &&
		(address === "localhost" || net.isIP(address) !== 0) &&
		Number(hostPort) <= PORT_MAX &&
		Number(guestPort) >= 1 &&
		Number(guestPort) <= PORT_MAX;
	if (!valid) {
		throw new Fault(`"${text}" is no port to forward`, {
			fix: "write [ip:]host-port:guest-port, for example 8080:80 or 127.0.0.1:8080:80",
			exitCode: EXIT.usage,
		});
	}
	return { host: address, hostPort: Number(hostPort), guestPort: Number(guestPort) };
}

export function isLoopback(host: string): boolean {
	return host === "localhost" || host === "::1" || host.startsWith("127.");
}

/** Something that connects to a port of the guest. */
export type ConnectGuest = (port: number) => Promise<Duplex>;

/** `127.0.0.1:8080 -> 80` */
export function describeForward({ host, hostPort, guestPort }: Forward): string {
	return `${host.includes(":") ? `[${host}]` : host}:${hostPort} -> ${guestPort}`;
}

/** Listens until disposed. Resolves with the port that it got. @throws Fault if the port is taken or not allowed. */
export async function openForward(forward: Forward, connect: ConnectGuest): Promise<Forward & Disposable> {
	const sockets = new Set<net.Socket>();
	const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
		sockets.add(socket);
		socket.on("close", () => sockets.delete(socket));
		socket.on("error", () => socket.destroy());
		connect(forward.guestPort).then(
			(guest) => join(socket, guest),
			() => socket.destroy(),
		);
	});
	server.maxConnections = CONNECTIONS_MAX;
	await new Promise<void>((resolve, reject) => {
		server.once("error", (error) => {
			reject(
				new Fault(`Port ${forward.hostPort} on ${forward.host} cannot be opened`, {
					why: reason(error),
					fix: "choose another port",
					exitCode: EXIT.launcher,
				}),
			);
		});
		server.listen({ host: forward.host, port: forward.hostPort }, () => resolve());
	});
	// Later ones (no descriptors left) cost one connection, not the launcher.
	server.on("error", () => {});
	return {
		...forward,
		hostPort: (server.address() as net.AddressInfo).port,
		[Symbol.dispose]: () => {
			server.close();
			for (const socket of sockets) socket.destroy();
		},
	};
}

function join(socket: net.Socket, guest: Duplex): void {
	// The client did not wait for the guest.
	if (socket.destroyed) return void guest.destroy();
	guest.on("error", () => socket.destroy());
	// After its end the pipe still has to deliver what it holds.
	guest.on("close", () => guest.readableEnded || socket.destroy());
	socket.on("close", () => guest.destroy());
	socket.pipe(guest);
	guest.pipe(socket);
	socket.resume();
}
