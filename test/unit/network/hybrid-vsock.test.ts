/** The handshake against a real Unix socket whose other end says anything. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { connectHybrid } from "../../../src/network/hybrid-vsock.ts";

const folder = mkdtempSync(join(tmpdir(), "vg-hybrid-"));
afterAll(() => rmSync(folder, { recursive: true }));
let next = 0;

/** A daemon that answers the first line with `reply` and then closes or echoes. */
async function withDaemon<T>(reply: Uint8Array, close: boolean, use: (path: string) => Promise<T>): Promise<T> {
	const path = join(folder, `s${next++}`);
	const server = net.createServer((socket) => {
		socket.on("error", () => {});
		socket.once("data", () => {
			socket.write(reply);
			if (close) socket.end();
			else socket.on("data", (bytes) => socket.write(bytes));
		});
	});
	await new Promise<void>((resolve) => server.listen(path, resolve));
	try {
		return await use(path);
	} finally {
		server.close();
	}
}

test("after OK the stream is the guest's, what came in the same packet included", async () => {
	const text = await withDaemon(Buffer.from("OK 1024\nSSH-2.0-x\r\n"), false, async (path) => {
		const stream = await connectHybrid(path, 5222);
		const chunk = await new Promise<Buffer>((resolve) => stream.once("data", resolve).resume());
		stream.destroy();
		return chunk.toString();
	});
	expect(text).toBe("SSH-2.0-x\r\n");
});

test("a closed connection means that nothing listens", async () => {
	const failure = withDaemon(Buffer.alloc(0), true, (path) => connectHybrid(path, 1));
	expect(failure).rejects.toMatchObject({ details: { why: "nothing listens on that port in the guest" } });
	await failure.catch(() => {});
});

test("no socket at all is one clear failure", async () => {
	const failure = connectHybrid(join(folder, "absent"), 1);
	expect(failure).rejects.toMatchObject({ message: "The guest's agent cannot be reached" });
	await failure.catch(() => {});
});

test("any other answer is refused, without a hang", async () => {
	await fc.assert(
		fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (reply) => {
			if (/^OK \d+\n/.test(Buffer.from(reply).toString("latin1"))) return;
			const outcome = await withDaemon(reply, true, (path) =>
				connectHybrid(path, 1).then(
					() => "open",
					() => "refused",
				),
			);
			expect(outcome).toBe("refused");
		}),
		{ numRuns: 40 },
	);
});
