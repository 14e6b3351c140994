/** TCP forwarding, both ways: the client's connections to services in the guest, and the guest's to services of the client. */
import net from "node:net";
import type { Connection, ServerChannel, TcpipBindInfo, TcpipRequestInfo } from "ssh2";

/** Ports that only root may listen on. */
const PRIVILEGED_MAX = 1023;
const LISTENERS_MAX = 64;
/** Whatever address the client asks for, as sshd with `GatewayPorts no`. */
const LISTEN_ADDRESSES = ["127.0.0.1", "::1"];

/** Joins two streams until both have ended; an error on one side ends the other. */
function join(channel: ServerChannel, socket: net.Socket): void {
	channel.on("error", () => socket.destroy());
	// After its end the pipe still has to deliver what it holds.
	channel.on("close", () => channel.readableEnded || socket.destroy());
	socket.on("error", () => channel.close());
	channel.pipe(socket);
	socket.pipe(channel);
}

/** Serves one `direct-tcpip` channel (ssh -L, -D), which opens only if the service answers. Returns the connection to it. */
export function forwardToService(info: TcpipRequestInfo, accept: () => ServerChannel, reject: () => void): net.Socket {
	const socket = net.connect({ host: info.destIP, port: info.destPort, allowHalfOpen: true });
	let open = false;
	socket.on("error", () => open || reject());
	socket.once("connect", () => {
		open = true;
		const channel = accept();
		if (channel) join(channel, socket);
		else socket.destroy();
	});
	return socket;
}

/** The listeners that one client has asked for (ssh -R); they end with its connection. */
export class RemoteForwards {
	readonly #client: Connection;
	readonly #isRoot: boolean;
	readonly #listeners = new Map<string, net.Server[]>();

	constructor(client: Connection, isRoot: boolean) {
		this.#client = client;
		this.#isRoot = isRoot;
		client.on("close", () => {
			for (const key of [...this.#listeners.keys()]) this.#close(key);
		});
	}

	/** Resolves with the port, which the system picks for 0. @throws Error if it may not or cannot be opened. */
	async listen({ bindAddr, bindPort }: TcpipBindInfo): Promise<number> {
		if (bindPort > 0 && bindPort <= PRIVILEGED_MAX && !this.#isRoot) throw new Error("only root may use this port");
		if (this.#listeners.size >= LISTENERS_MAX) throw new Error("too many forwarded ports");
		let port = bindPort;
		const servers: net.Server[] = [];
		try {
			for (const address of LISTEN_ADDRESSES) {
				const server = await this.#open(address, port, { bindAddr, bindPort });
				if (server === null) continue;
				servers.push(server);
				port = (server.address() as net.AddressInfo).port;
			}
		} catch (error) {
			for (const server of servers) server.close();
			throw error;
		}
		if (servers.length === 0) throw new Error("no loopback address to listen on");
		this.#listeners.set(keyOf({ bindAddr, bindPort: port }), servers);
		return port;
	}

	/** Whether there was such a listener. */
	cancel(info: TcpipBindInfo): boolean {
		return this.#close(keyOf(info));
	}

	/** Null where the guest has no such address (IPv6 may be off). */
	#open(host: string, port: number, asked: TcpipBindInfo): Promise<net.Server | null> {
		const server = net.createServer({ allowHalfOpen: true }, (socket) => this.#connect(socket, asked));
		return new Promise((resolve, reject) => {
			server.once("error", (error: NodeJS.ErrnoException) => {
				if (error.code === "EADDRNOTAVAIL" || error.code === "EAFNOSUPPORT") resolve(null);
				else reject(error);
			});
			server.listen({ host, port }, () => resolve(server));
		});
	}

	#connect(socket: net.Socket, { bindAddr, bindPort }: TcpipBindInfo): void {
		socket.pause();
		const port = bindPort === 0 ? (socket.localPort ?? 0) : bindPort;
		const { remoteAddress = "127.0.0.1", remotePort = 0 } = socket;
		this.#client.forwardOut(bindAddr, port, remoteAddress, remotePort, (error, channel) => {
			if (error) return socket.destroy();
			join(channel as unknown as ServerChannel, socket);
			socket.resume();
		});
	}

	#close(key: string): boolean {
		const servers = this.#listeners.get(key);
		for (const server of servers ?? []) server.close();
		return this.#listeners.delete(key);
	}
}

function keyOf({ bindAddr, bindPort }: TcpipBindInfo): string {
	return `${bindAddr} ${bindPort}`;
}
