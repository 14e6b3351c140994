/**
 * vsock over a Unix socket, as Firecracker and vhost-device-vsock speak it: the host connects, writes `CONNECT <port>\n`,
 * and reads `OK <port>\n` before the stream is the guest's.
 */
import net from "node:net";
import type { Duplex } from "node:stream";
import { Fault } from "../errors.ts";

const HANDSHAKE_TIMEOUT_MS = 10_000;
/** "OK 4294967295\n" */
const REPLY_BYTES_MAX = 32;

/** @throws Fault if nobody listens on the port, or the daemon answers otherwise. */
export async function connectHybrid(path: string, port: number): Promise<Duplex> {
	const socket = net.connect({ path });
	try {
		await handshake(socket, port);
		return socket;
	} catch (error) {
		socket.destroy();
		throw error;
	}
}

function handshake(socket: net.Socket, port: number): Promise<void> {
	return new Promise((resolve, reject) => {
		let reply = Buffer.alloc(0);
		const refuse = (why: string) => settle(() => reject(new Fault("The guest's agent cannot be reached", { why })));
		const timer = setTimeout(() => refuse(`no answer within ${HANDSHAKE_TIMEOUT_MS / 1000} s`), HANDSHAKE_TIMEOUT_MS);
		const onData = (chunk: Buffer) => {
			reply = Buffer.concat([reply, chunk]);
			const end = reply.indexOf(0x0a);
			if (end < 0) {
				if (reply.length > REPLY_BYTES_MAX) refuse("the answer is no handshake");
				return;
			}
			const line = reply.subarray(0, end).toString("latin1");
			if (!/^OK \d+$/.test(line)) return refuse(`the answer was "${line.slice(0, REPLY_BYTES_MAX)}"`);
			const rest = reply.subarray(end + 1);
			settle(() => {
				// What came after the handshake in the same packet belongs to the stream.
				if (rest.length > 0) socket.unshift(rest);
				resolve();
			});
		};
		const onError = (error: Error) => refuse(error.message);
		const onClose = () => refuse("nothing listens on that port in the guest");
		const settle = (then: () => void) => {
			clearTimeout(timer);
			socket.off("data", onData).off("error", onError).off("close", onClose).off("end", onClose);
			socket.pause();
			then();
		};
		socket.on("data", onData).on("error", onError).on("close", onClose).on("end", onClose);
		socket.write(`CONNECT ${port}\n`);
	});
}
