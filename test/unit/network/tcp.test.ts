/** Against real servers that do what QEMU's user network does: accept, and then speak, close or stay silent. */
import { afterAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { Fault } from "../../../src/errors.ts";
import { connectTcp, connectUnix, findFreePort } from "../../../src/network/tcp.ts";

const folder = mkdtempSync(join(tmpdir(), "vg-tcp-"));
afterAll(() => rmSync(folder, { recursive: true }));
let next = 0;

interface Way {
	/** Listens and gives the connect function for it. */
	listen(server: net.Server): Promise<(timeoutMs?: number) => Promise<Duplex>>;
	absent(): Promise<Duplex>;
}

const ways: Record<string, Way> = {
	port: {
		listen: async (server) => {
			server.listen(0, "127.0.0.1");
			await once(server, "listening");
			const { port } = server.address() as net.AddressInfo;
			return (timeoutMs) => connectTcp(port, timeoutMs);
		},
		absent: async () => await connectTcp(await findFreePort()),
	},
	"Unix socket": {
		listen: async (server) => {
			const path = join(folder, `s${next++}`);
			server.listen(path);
			await once(server, "listening");
			return (timeoutMs) => connectUnix(path, timeoutMs);
		},
		absent: () => connectUnix(join(folder, "absent")),
	},
};

async function faultOf(connecting: Promise<Duplex>): Promise<Fault> {
	const outcome = await connecting.catch((error: unknown) => error);
	if (outcome instanceof Fault) return outcome;
	throw new Error("no fault");
}

describe.each(Object.entries(ways))("%s", (_, way) => {
	const serve = async (onConnection: (socket: net.Socket) => void) => {
		const server = net.createServer((socket) => {
			socket.on("error", () => {});
			onConnection(socket);
		});
		const connect = await way.listen(server);
		return { connect, [Symbol.dispose]: () => server.close() };
	};

	test("the stream begins with the greeting, and goes both ways", async () => {
		using server = await serve((socket) => {
			socket.write("SSH-2.0-VirtualGhost\r\n");
			socket.on("data", (bytes) => socket.end(`got ${bytes.toString()}`));
		});
		const stream = await server.connect();
		const chunks: Buffer[] = [];
		stream.on("data", (chunk: Buffer) => chunks.push(chunk)).resume();
		stream.write("hello");
		await once(stream, "close");
		expect(Buffer.concat(chunks).toString()).toBe("SSH-2.0-VirtualGhost\r\ngot hello");
	});

	test("accepted, then closed: nothing listens in the guest", async () => {
		for (const close of [(socket: net.Socket) => socket.end(), (socket: net.Socket) => socket.resetAndDestroy()]) {
			using server = await serve(close);
			const fault = await faultOf(server.connect());
			expect(fault.message).toBe("The guest's agent cannot be reached");
			expect(fault.details.why).toMatch(/nothing listens on that port in the guest|ECONNRESET/);
		}
	});

	test("silence ends with a fault, and the connection with it", async () => {
		const { promise: closed, resolve } = Promise.withResolvers<void>();
		using server = await serve((socket) => socket.on("close", () => resolve()).resume());
		expect((await faultOf(server.connect(50))).details.why).toBe("no answer within 0.05 s");
		await closed;
	});

	test("nobody on the host's side either", async () => {
		expect((await faultOf(way.absent())).message).toBe("The guest's agent cannot be reached");
	});
});

test("a free port can be listened on", async () => {
	const server = net.createServer().listen(await findFreePort(), "127.0.0.1");
	await once(server, "listening");
	server.close();
});
