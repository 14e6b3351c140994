/**
 * vsock over a Unix socket, as Firecracker and vhost-device-vsock speak it: the host connects, writes `CONNECT <port>\n`,
 * and reads `OK <port>\n` before the stream is the guest's.
 */
import net from "node:net";
import type { Duplex } from "node:stream";
import { awaitGreeting, type Verdict } from "./greeting.ts";

const HANDSHAKE_TIMEOUT_MS = 10_000;
/** "OK 4294967295\n" */
const REPLY_BYTES_MAX = 32;

/** @throws Fault if nobody listens on the port, or the daemon answers otherwise. */
export async function connectHybrid(path: string, port: number): Promise<Duplex> {
	const socket = net.connect({ path });
	socket.write(`CONNECT ${port}\n`);
	await awaitGreeting(socket, HANDSHAKE_TIMEOUT_MS, judgeReply);
	return socket;
}

function judgeReply(reply: Buffer): Verdict {
	const end = reply.indexOf(0x0a);
	if (end < 0) return reply.length > REPLY_BYTES_MAX ? { refused: "the answer is no handshake" } : null;
	const line = reply.subarray(0, end).toString("latin1");
	if (!/^OK \d+$/.test(line)) return { refused: `the answer was "${line.slice(0, REPLY_BYTES_MAX)}"` };
	// What came after the handshake in the same packet belongs to the stream.
	return { rest: reply.subarray(end + 1) };
}
