/** Runs in L1: the launcher's own way of connecting by vsock, against the kernel. Prints one line of JSON. */
import { once } from "node:events";
import net from "node:net";
import type { Duplex } from "node:stream";
import { listenVsock } from "../../../agent/vsock.ts";
import { Fault } from "../../../src/errors.ts";
import { connectVsock } from "../../../src/network/vsock.ts";

const ECHO_PORT = 5299;
const ECHO_BYTES = 1024 * 1024;
/** VMADDR_CID_LOCAL: the module vsock_loopback. */
const LOCAL = 1;

/** The longest time in milliseconds in which nothing else had its turn. */
class LongestWait implements Disposable {
	ms = 0;
	#last = performance.now();
	readonly #timer = setInterval(() => {
		const now = performance.now();
		this.ms = Math.max(this.ms, now - this.#last);
		this.#last = now;
	}, 1);

	[Symbol.dispose](): void {
		clearInterval(this.#timer);
	}
}

let blockedMs = 0;

async function connecting(cid: number, port: number): Promise<Duplex> {
	using wait = new LongestWait();
	try {
		return await connectVsock(cid, port);
	} finally {
		blockedMs = wait.ms;
	}
}

async function echo(): Promise<string> {
	const server = net.createServer((socket) => socket.pipe(socket));
	await listenVsock(server, ECHO_PORT);
	const stream = await connecting(LOCAL, ECHO_PORT);
	const sent = Buffer.from(Array.from({ length: ECHO_BYTES }, (_, i) => (i * 31) & 255));
	stream.write(sent);
	const received = await take(stream, ECHO_BYTES);
	stream.destroy();
	server.close();
	return received.equals(sent) ? "echoed" : "something else came back";
}

async function take(stream: Duplex, bytes: number): Promise<Buffer> {
	const chunks: Buffer[] = [];
	let count = 0;
	stream.resume();
	while (count < bytes) {
		const [chunk] = (await once(stream, "data")) as [Buffer];
		chunks.push(chunk);
		count += chunk.length;
	}
	return Buffer.concat(chunks);
}

const [cid, port] = process.argv.slice(2).map(Number);
const from = performance.now();
let outcome: string;
try {
	if (cid === undefined || port === undefined) outcome = await echo();
	else {
		(await connecting(cid, port)).destroy();
		outcome = "connected";
	}
} catch (error) {
	if (!(error instanceof Fault)) throw error;
	outcome = error.details.why ?? error.message;
}
console.log(JSON.stringify({ outcome, seconds: (performance.now() - from) / 1000, blockedMs }));
process.exit(0);
