/** Whether a guest lives, by its agent's port: only a word of the guest's counts. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAnswered } from "../../../src/network/transport.ts";

let folder: string;
let server: net.Server | null;
const path = () => join(folder, "agent.sock");
const ask = () => isAnswered({ kind: "unix", path: path() }, 5222, 200);

beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "vg-answered-"));
	server = null;
});
afterEach(() => {
	server?.close();
	rmSync(folder, { recursive: true, force: true });
});

/** As QEMU does, it accepts before it has asked the guest. */
async function serve(onConnection: (socket: net.Socket) => void): Promise<void> {
	server = net.createServer((socket) => onConnection(socket.on("error", () => {})));
	await new Promise<void>((resolve) => server?.listen(path(), resolve));
}

test("a greeting", async () => {
	await serve((socket) => socket.write("SSH-2.0-VirtualGhost\r\n"));
	expect(await ask()).toBe(true);
});

test("a refusal, which comes from the guest's kernel", async () => {
	await serve((socket) => socket.end());
	expect(await ask()).toBe(true);
});

test("silence is no answer, and takes no longer than it may", async () => {
	const sockets: net.Socket[] = [];
	await serve((socket) => void sockets.push(socket));
	const from = performance.now();
	expect(await ask()).toBe(false);
	expect(performance.now() - from).toBeLessThan(2000);
	for (const socket of sockets) socket.destroy();
});

test("a QEMU that is not there says nothing of its guest", async () => {
	expect(await ask()).toBe(false);
});
