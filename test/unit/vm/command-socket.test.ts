/** How the other verbs speak to a launcher, over a real socket, with peers that say anything. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { Fault } from "../../../src/errors.ts";
import { type Command, type CommandHandler, sendCommand, serveCommands } from "../../../src/vm/command-socket.ts";
import { INSTANCE_FILE } from "../../../src/vm/instance-record.ts";

let folder: string;
let scope: DisposableStack;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "vg-ctl-"));
	scope = new DisposableStack();
	scope.defer(() => rmSync(folder, { recursive: true, force: true }));
});
afterEach(() => scope.dispose());

const serve = async (handle: CommandHandler) => scope.use(await serveCommands(folder, handle));

async function faultOf(work: Promise<unknown>): Promise<Fault> {
	const outcome = await work.catch((error: unknown) => error);
	if (outcome instanceof Fault) return outcome;
	throw new Error(`no fault: ${String(outcome)}`);
}

/** Speaks by hand. */
async function dial(): Promise<net.Socket> {
	const socket = net.connect({ path: join(folder, INSTANCE_FILE.commands) });
	scope.defer(() => socket.destroy());
	await once(socket, "connect");
	return socket.on("error", () => {});
}

async function answerTo(text: string | Uint8Array): Promise<string> {
	const socket = await dial();
	const chunks: Buffer[] = [];
	socket.on("data", (chunk: Buffer) => chunks.push(chunk));
	socket.write(text);
	await once(socket, "end");
	return Buffer.concat(chunks).toString();
}

test("commands arrive, and answers come back, several at once", async () => {
	const seen: Command[] = [];
	await serve((command) => {
		seen.push(command);
		return Promise.resolve(command.command === "screenshot" ? { path: "/a b/ü.png" } : {});
	});
	const answers = await Promise.all([
		sendCommand(folder, { command: "screenshot" }),
		sendCommand(folder, { command: "stop", force: true }),
	]);
	expect(answers.map(({ path }) => path)).toEqual(["/a b/ü.png", undefined]);
	expect(seen).toContainEqual({ command: "screenshot" });
	expect(seen).toContainEqual({ command: "stop", force: true });
});

test("the handler's Fault comes back with its why", async () => {
	await serve(() => Promise.reject(new Fault("There is no screen", { why: "it is headless", exitCode: 2 })));
	const fault = await faultOf(sendCommand(folder, { command: "screenshot" }));
	expect([fault.message, fault.details.why]).toEqual(["There is no screen", "it is headless"]);
});

test("a defect of the handler's is told, not thrown", async () => {
	await serve(() => {
		throw new TypeError("x is undefined");
	});
	expect((await faultOf(sendCommand(folder, { command: "screenshot" }))).details.why).toBe("x is undefined");
});

test("garbage is answered with no, never handled, and the server lives on", async () => {
	let handled = 0;
	await serve(() => {
		handled++;
		return Promise.resolve({});
	});
	const line = fc
		.oneof(
			fc.string({ unit: "binary" }),
			fc.json(),
			fc.constantFrom('{"command":"stop"}', '{"command":"quit"}', "null", ""),
		)
		.map((text) => text.replaceAll("\n", " "));
	await fc.assert(
		fc.asyncProperty(line, async (text) => {
			expect(JSON.parse(await answerTo(`${text}\n`))).toMatchObject({ ok: false, error: expect.any(String) });
		}),
		{ numRuns: 30 },
	);
	expect(handled).toBe(0);
	await sendCommand(folder, { command: "stop", force: false });
	expect(handled).toBe(1);
});

test("a request may come in pieces; only the first of a connection counts", async () => {
	let handled = 0;
	await serve(() => Promise.resolve({ path: String(++handled) }));
	const socket = await dial();
	for (const piece of ['{"comm', 'and":"scr', 'eenshot"}']) socket.write(piece);
	socket.write('\n{"command":"screenshot"}\n{"command":"screenshot"}\n');
	const [answer] = (await once(socket, "data")) as [Buffer];
	expect(JSON.parse(answer.toString())).toEqual({ ok: true, path: "1" });
	await once(socket, "close");
	expect(handled).toBe(1);
});

test("peers that send without end, or go away in the middle, disturb nobody", async () => {
	await serve(() => Promise.resolve({ path: "fine" }));
	const endless = await dial();
	for (let i = 0; i < 32; i++) endless.write("x".repeat(64 * 1024));
	(await dial()).write('{"command":');
	(await dial()).end('{"command":"screenshot"}\n');
	(await dial()).resetAndDestroy();
	expect((await sendCommand(folder, { command: "screenshot" })).path).toBe("fine");
	// Too long a line is none; the next one is read.
	expect(JSON.parse(await answerTo(`${"x".repeat(5000)}\n{"command":"screenshot"}\n`))).toEqual({
		ok: true,
		path: "fine",
	});
});

test("nobody there is a Fault: no socket, a socket that a dead launcher left, a launcher that hangs up", async () => {
	const unanswered = async () => {
		const fault = await faultOf(sendCommand(folder, { command: "screenshot" }));
		expect(fault.message).toBe("The machine's launcher does not answer");
		return fault.details.why;
	};
	expect(await unanswered()).toMatch(/ENOENT|connect/);
	const server = net.createServer((socket) => socket.end());
	scope.defer(() => server.close());
	server.listen(join(folder, INSTANCE_FILE.commands));
	await once(server, "listening");
	expect(await unanswered()).toBe("it closed the connection");
});

test("once disposed it takes no more", async () => {
	const server = await serveCommands(folder, () => Promise.resolve({}));
	await sendCommand(folder, { command: "stop", force: false });
	server[Symbol.dispose]();
	expect((await faultOf(sendCommand(folder, { command: "screenshot" }))).message).toBe(
		"The machine's launcher does not answer",
	);
});

test("a socket that cannot be made is a Fault", async () => {
	await serve(() => Promise.resolve({}));
	expect((await faultOf(serveCommands(folder, () => Promise.resolve({})))).details.why).toContain("in use");
});

test("a no with a long reason arrives", async () => {
	await serve(() => Promise.reject(new Fault("There is no screen", { why: "y".repeat(5000) })));
	expect((await faultOf(sendCommand(folder, { command: "screenshot" }))).message).toBe("There is no screen");
});
