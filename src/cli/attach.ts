/** Joins a channel of the guest to this process's standard streams, and turns its end into an exit code. */
import os from "node:os";
import { Transform } from "node:stream";
import type { ClientChannel, PseudoTtyOptions } from "ssh2";
import { Fault, reason } from "../errors.ts";
import { type ChannelEnd, exitStatus } from "../ssh/client.ts";
import { EscapeFilter } from "./escape.ts";
import { printError } from "./output.ts";
import { RawTerminal } from "./raw-terminal.ts";

/** The connection to the guest was lost, as ssh(1) says it. */
export const EXIT_LOST = 255;
const EXIT_SIGPIPE = 128 + 13;
const PATIENCE_MS = 5_000;
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
	// Nobody reads the messages: the command goes on, as its own writes would.
	process.stderr.on("error", () => channel.stderr.resume());
	channel.pipe(process.stdout, { end: false });
	channel.stderr.pipe(process.stderr, { end: false });
	using _signals = forwardSignals(channel, give);
	using _size = options.pty ? followSize(channel) : null;
	if (options.stdin) pipeInput(channel, terminal !== null, () => give(EXIT_LOST));
	else channel.end();
	// ssh2 reports the end when stdout is read; stderr may still hold something then.
	const read = new Promise<void>((resolve) => channel.stderr.once("end", resolve).once("close", resolve));
	const ended = Promise.all([exitCode(channel), read]).then(([status]) => status);
	const code = await Promise.race([ended, givenUp]);
	terminal?.restore(code === null || code === EXIT_LOST);
	if (code === null) printError("virtualghost: the connection to the machine was lost\n");
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
	const input = standardInput();
	// A terminal that is gone has no more to say.
	input.on("error", () => channel.end());
	if (!raw) return void input.pipe(channel);
	const filter = new EscapeFilter();
	const transform = new Transform({
		transform: (bytes: Buffer, _encoding, done) => {
			const { pass, disconnect } = filter.push(bytes);
			if (disconnect) letGo();
			done(null, pass);
		},
	});
	input.pipe(transform).pipe(channel);
}

/** @throws Fault for what Bun cannot read, such as a folder. */
function standardInput(): NodeJS.ReadStream {
	try {
		return process.stdin;
	} catch (error) {
		throw new Fault("Standard input cannot be read", {
			why: reason(error),
			fix: "redirect it from a file, or add --no-stdin",
		});
	}
}

/**
 * The first signal goes to the command in the guest, the second ends the waiting for it. Whoever sends TERM or HUP does not send it twice:
 * a command that ignores it is waited for a little.
 */
function forwardSignals(channel: ClientChannel, giveUp: (code: number) => void): Disposable {
	let sent = false;
	let patience: ReturnType<typeof setTimeout> | undefined;
	const handlers = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((name) => {
		const code = 128 + os.constants.signals[name];
		const handler = () => {
			if (sent) return giveUp(code);
			sent = true;
			channel.signal(name.slice(3));
			if (name !== "SIGINT") patience = setTimeout(() => giveUp(code), PATIENCE_MS);
		};
		process.on(name, handler);
		return () => process.off(name, handler);
	});
	return {
		[Symbol.dispose]: () => {
			clearTimeout(patience);
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
