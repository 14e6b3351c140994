/**
 * How the other verbs speak to a running launcher: a socket in the instance's private folder, one JSON line in, one out, one
 * request a connection. On Windows a named pipe.
 */
import net from "node:net";
import { basename, join } from "node:path";
import { z } from "zod";
import { Fault, reason } from "../errors.ts";
import { onFirstLine } from "../wire/lines.ts";
import { INSTANCE_FILE } from "./instance-record.ts";

const LINE_BYTES_MAX = 4096;
const ANSWER_TIMEOUT_MS = 60_000;

export const commandSchema = z.discriminatedUnion("command", [
	/** Shut down as Ctrl+C does; with `force` at once. */
	z.object({ command: z.literal("stop"), force: z.boolean() }),
	/** Save the screen as PNG under this path, which lies in the instance's folder. */
	z.object({ command: z.literal("screenshot") }),
]);
export type Command = z.infer<typeof commandSchema>;

const answerSchema = z.discriminatedUnion("ok", [
	z.object({ ok: z.literal(true), path: z.string().optional() }),
	z.object({ ok: z.literal(false), error: z.string(), why: z.string().optional() }),
]);
type Answer = z.infer<typeof answerSchema>;

/** `path` for a command whose result is a file. */
export type CommandHandler = (command: Command) => Promise<{ path?: string }>;

function socketPath(folder: string): string {
	return process.platform === "win32"
		? `\\\\.\\pipe\\virtualghost-${basename(folder)}`
		: join(folder, INSTANCE_FILE.commands);
}

/** Answers until disposed. @throws Fault if the socket cannot be made. */
export async function serveCommands(folder: string, handle: CommandHandler): Promise<Disposable> {
	const server = net.createServer((socket) => {
		socket.on("error", () => socket.destroy());
		onFirstLine(socket, LINE_BYTES_MAX, (line) => {
			void answer(line, handle).then((reply) => socket.end(`${JSON.stringify(reply)}\n`));
		});
	});
	await new Promise<void>((resolve, reject) => {
		server.once("error", (error) =>
			reject(new Fault("The machine's command socket cannot be opened", { why: reason(error) })),
		);
		server.listen(socketPath(folder), () => resolve());
	});
	return { [Symbol.dispose]: () => void server.close() };
}

async function answer(line: string, handle: CommandHandler): Promise<Answer> {
	let command: Command;
	try {
		command = commandSchema.parse(JSON.parse(line));
	} catch (error) {
		return { ok: false, error: "The launcher does not know this command", why: brief(reason(error)) };
	}
	try {
		return { ok: true, ...(await handle(command)) };
	} catch (error) {
		if (error instanceof Fault) return { ok: false, error: brief(error.message), why: brief(error.details.why ?? "") };
		return { ok: false, error: "The launcher could not do it", why: brief(reason(error)) };
	}
}

/** So that the whole answer fits into a line. */
function brief(text: string): string {
	return text.slice(0, LINE_BYTES_MAX / 4);
}

/** Sends one command to the launcher of `folder`. @throws Fault with its answer if that is no, or if it does not answer. */
export async function sendCommand(folder: string, command: Command): Promise<{ path?: string | undefined }> {
	const socket = net.connect({ path: socketPath(folder) });
	try {
		const line = await new Promise<string>((resolve, reject) => {
			const fail = (why: string) => reject(new Fault("The machine's launcher does not answer", { why }));
			socket.setTimeout(ANSWER_TIMEOUT_MS, () => fail(`nothing came within ${ANSWER_TIMEOUT_MS / 1000} s`));
			socket.on("error", (error) => fail(error.message));
			socket.on("close", () => fail("it closed the connection"));
			onFirstLine(socket, LINE_BYTES_MAX, resolve);
			socket.write(`${JSON.stringify(command)}\n`);
		});
		const reply = parseAnswer(line);
		if (!reply.ok) throw new Fault(reply.error, { why: reply.why || undefined });
		return reply;
	} finally {
		socket.destroy();
	}
}

function parseAnswer(line: string): Answer {
	try {
		return answerSchema.parse(JSON.parse(line));
	} catch (error) {
		throw new Fault("The machine's launcher gave an answer of another version", { cause: error });
	}
}
