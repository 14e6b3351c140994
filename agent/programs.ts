/** Runs a program behind an SSH channel: with pipes, or on a pseudo-terminal. */
import { Writable } from "node:stream";
import type { ServerChannel } from "ssh2";
import { gathered } from "./gathered.ts";
import { ChannelOutput } from "./output.ts";
import type { Pty } from "./pty.ts";
import { type Account, becomeArgv } from "./users.ts";

export interface Program {
	readonly account: Account;
	readonly argv: readonly string[];
	readonly env: Readonly<Record<string, string>>;
	readonly cwd: string;
}

/** A program that runs; its channel ends by itself when the program does. */
export interface Running {
	signal(name: NodeJS.Signals): void;
}

function start<Stdio extends "pipe" | "ignore">({ account, argv, env, cwd }: Program, stdio: Stdio, tty?: string) {
	return Bun.spawn(becomeArgv(account, argv, tty), {
		env: { ...env },
		cwd,
		stdin: stdio,
		stdout: stdio,
		stderr: stdio,
		// A session and process group of its own, so that all of it can be signalled.
		detached: true,
	});
}

/** Serves `channel` with the program's standard streams; stderr stays apart. */
export function runPiped(channel: ServerChannel, program: Program): Running {
	const child = start(program, "pipe");
	const output = new ChannelOutput(channel);
	channel.pipe(
		sinkOf(
			async (bytes) => {
				child.stdin.write(bytes);
				await child.stdin.flush();
			},
			() => void child.stdin.end(),
		),
	);
	const outputs = Promise.all([copy(child.stdout, output, "stdout"), copy(child.stderr, output, "stderr")]);
	return follow(channel, child, outputs, () => {});
}

/** Serves `channel` with the program on `pty`, which is closed in the end. */
export function runOnPty(channel: ServerChannel, program: Program, pty: Pty): Running {
	const child = start(program, "ignore", pty.path);
	const output = new ChannelOutput(channel);
	// The end of the client's input is no end of the terminal.
	channel.pipe(
		sinkOf(
			(bytes) => pty.write(bytes),
			() => {},
		),
	);
	const pumped = pty.pump((bytes) => output.write(bytes));
	const outputs = Promise.race([pumped, child.exited.then(() => pty.drained())]);
	return follow(channel, child, outputs, () => pty[Symbol.dispose]());
}

/** Ends the channel with the program's status when all its output is out, or the program when its client has vanished. */
function follow(
	channel: ServerChannel,
	child: Bun.Subprocess,
	outputs: Promise<unknown>,
	release: () => void,
): Running {
	let running = true;
	channel.once("close", () => {
		if (running) killGroup(child.pid, "SIGHUP");
		release();
	});
	void Promise.all([child.exited, outputs]).then(([code]) => {
		running = false;
		finish(channel, code, child.signalCode as NodeJS.Signals | null);
		release();
	});
	return { signal: (name) => running && killGroup(child.pid, name) };
}

/** Copies until the end, or until nobody is left to read: then the pipe is closed, and a program that writes on gets SIGPIPE. */
async function copy(
	stream: ReadableStream<Uint8Array>,
	output: ChannelOutput,
	name: "stdout" | "stderr",
): Promise<void> {
	try {
		for await (const bytes of gathered(stream)) {
			await output.write(bytes, name);
			if (output.closed) return;
		}
	} catch {
		// The program is gone.
	}
}

/** A program that ends, or closes its input, before it has read everything is not an error of ours: the rest is dropped. */
function sinkOf(write: (bytes: Uint8Array) => Promise<void>, end: () => void): Writable {
	return new Writable({
		write: (bytes: Buffer, _encoding, done) => {
			write(bytes).then(
				() => done(),
				() => done(),
			);
		},
		final: (done) => {
			end();
			done();
		},
	});
}

function finish(channel: ServerChannel, code: number, signal: NodeJS.Signals | null): void {
	if (signal) channel.exit(signal.replace(/^SIG/, ""), false, "");
	else channel.exit(code);
	channel.end();
}

/** Signals a whole process group; a group that is gone already is what was wanted. */
function killGroup(pid: number, signal: NodeJS.Signals): void {
	try {
		process.kill(-pid, signal);
	} catch {
		// ESRCH: it ended by itself.
	}
}
