/** Joins a channel of the guest to this process's standard streams, and turns its end into an exit code. */
import os from "node:os";
import { Transform } from "node:stream";
import type { ClientChannel, PseudoTtyOptions } from "ssh2";
import { EXIT } from "../errors.ts";
import { type ChannelEnd, exitStatus } from "../ssh/client.ts";
import { EscapeFilter } from "./escape.ts";
import { RawTerminal } from "./raw-terminal.ts";

/** The connection to the guest was lost, as ssh(1) says it. */
export const EXIT_LOST = 255;
const EXIT_SIGPIPE = 128 + 13;
const DEFAULT_SIZE = { cols: 80, rows: 24 };

export interface AttachOptions {
	/** The channel has a PTY. */
	readonly pty: boolean;
	/** Hand on what comes on stdin. */
	readonly stdin: boolean;
}

/** The PTY to ask for: this terminal's size and kind. */
export function localPty(): PseudoTtyOptions {
	const { columns, rows } = process.stdout;
	return {
		cols: columns || DEFAULT_SIZE.cols,
		rows: rows || DEFAULT_SIZE.rows,
		width: 0,
		height: 0,
		term: process.env.TERM || "xterm-256color",
	};
}

/** Variables of the user's terminal that mean the same in the guest; the language only as far as the guest has it. */
export function localEnvironment(): Record<string, string> {
	const { COLORTERM } = process.env;
	return COLORTERM ? { COLORTERM } : {};
}

/** Resolves with the command's exit code, 128 + N for a signal, or 255 if the connection is lost. */
export async function attach(channel: ClientChannel, options: AttachOptions): Promise<number> {
	using terminal = options.pty && options.stdin && process.stdin.isTTY ? new RawTerminal() : null;
	const { promise: givenUp, resolve: giveUp } = Promise.withResolvers<number>();
	// Without waiting for the guest's answer: it may hang, or nobody may read what it still sends.
	const give = (code: number) => {
		channel.close();
		giveUp(code);
	};
	process.stdout.on("error", () => give(EXIT_SIGPIPE));
	channel.pipe(process.stdout, { end: false });
	channel.stderr.pipe(process.stderr, { end: false });
	using _signals = forwardSignals(channel, () => give(EXIT.interrupted));
	using _size = options.pty ? followSize(channel) : null;
	if (options.stdin) pipeInput(channel, terminal !== null, () => give(EXIT_LOST));
	else channel.end();
	const code = await Promise.race([exitCode(channel), givenUp]);
	terminal?.restore(code === null || code === EXIT_LOST);
	return code ?? EXIT_LOST;
}

/** Null if the guest never said how it ended. */
function exitCode(channel: ClientChannel): Promise<number | null> {
	return new Promise((resolve) => {
		channel.on("close", (...how: ChannelEnd) => {
			const status = exitStatus(...how);
			if (status === null) resolve(null);
			else resolve(status.code ?? 128 + (signalNumber(status.signal ?? "") ?? 0));
		});
	});
}

function signalNumber(name: string): number | undefined {
	const full = name.startsWith("SIG") ? name : `SIG${name}`;
	return (os.constants.signals as Readonly<Record<string, number>>)[full];
}

/** On a raw terminal Enter ~ . lets go of a guest that hangs, as in ssh(1): Ctrl+C is the guest's there. */
function pipeInput(channel: ClientChannel, raw: boolean, letGo: () => void): void {
	channel.on("error", () => {});
	if (!raw) return void process.stdin.pipe(channel);
	const filter = new EscapeFilter();
	const transform = new Transform({
		transform: (bytes: Buffer, _encoding, done) => {
			const { pass, disconnect } = filter.push(bytes);
			if (disconnect) letGo();
			done(null, pass);
		},
	});
	process.stdin.pipe(transform).pipe(channel);
}

/** The first signal goes to the command in the guest, the second ends the waiting for it. */
function forwardSignals(channel: ClientChannel, giveUp: () => void): Disposable {
	let sent = false;
	const handlers = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((name) => {
		const handler = () => {
			if (sent) return giveUp();
			sent = true;
			channel.signal(name.slice(3));
		};
		process.on(name, handler);
		return () => process.off(name, handler);
	});
	return {
		[Symbol.dispose]: () => {
			for (const off of handlers) off();
		},
	};
}

function followSize(channel: ClientChannel): Disposable {
	const resize = () => {
		const { columns, rows } = process.stdout;
		if (columns && rows) channel.setWindow(rows, columns, 0, 0);
	};
	process.stdout.on("resize", resize);
	return { [Symbol.dispose]: () => void process.stdout.off("resize", resize) };
}
