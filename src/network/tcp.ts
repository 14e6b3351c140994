/** The way to a guest behind the control card: QEMU listens, on a port of 127.0.0.1 or on a Unix socket, and forwards. */
import { once } from "node:events";
import net from "node:net";
import type { Duplex } from "node:stream";
import { Fault, reason } from "../errors.ts";
import { awaitGreeting } from "./greeting.ts";

/** As long as the login itself may take: the greeting comes from the agent, not from the guest's kernel as with vsock. */
const GREETING_TIMEOUT_MS = 30_000;

/**
 * Connects and waits for the first bytes, which an SSH server sends unasked. QEMU accepts before it has asked the guest,
 * and closes again if nothing listens there: a connection alone means nothing.
 *
 * @throws Fault if nothing listens in the guest, or it does not answer in time.
 */
export function connectTcp(port: number, timeoutMs = GREETING_TIMEOUT_MS): Promise<Duplex> {
	return greeted(net.connect({ host: "127.0.0.1", port }), timeoutMs);
}

/** As `connectTcp`, for a forward from a Unix socket. */
export function connectUnix(path: string, timeoutMs = GREETING_TIMEOUT_MS): Promise<Duplex> {
	return greeted(net.connect({ path }), timeoutMs);
}

async function greeted(socket: net.Socket, timeoutMs: number): Promise<Duplex> {
	// Keys typed in a terminal are small packets, each worth sending at once.
	socket.setNoDelay(true);
	await awaitGreeting(socket, timeoutMs, (received) => ({ rest: received }));
	return socket;
}

/**
 * A port on 127.0.0.1 that nobody listens on. It may be taken again before QEMU gets to it: then another one has to do.
 *
 * @throws Fault if this host has no 127.0.0.1 to listen on.
 */
export async function findFreePort(): Promise<number> {
	const server = net.createServer();
	try {
		server.listen(0, "127.0.0.1");
		await once(server, "listening");
		return (server.address() as net.AddressInfo).port;
	} catch (error) {
		throw new Fault("No port on 127.0.0.1 could be opened", { why: reason(error), cause: error });
	} finally {
		server.close();
	}
}
