/** One SSH session channel: shell, exec, PTY, signals, and the control subsystem. */
import type { PseudoTtyInfo, ServerChannel, Session } from "ssh2";
import { CONTROL_SUBSYSTEM } from "../src/wire/control.ts";
import { serveControl } from "./control.ts";
import { killGroup, type Pty, type PtyProcess, spawnPiped, spawnPty, userEnvironment } from "./shell.ts";

/** Variables that a client may set, as sshd's AcceptEnv. */
const ACCEPTED_ENV = /^(LANG|LC_[A-Z]+|TERM|COLORTERM|VIRTUALGHOST_[A-Z_]+)$/;
const SIGNALS = new Set(["SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGTERM", "SIGUSR1", "SIGUSR2"]);

interface ChannelState {
	pty: Pty | null;
	running: { resize(cols: number, rows: number): void; kill(signal: NodeJS.Signals): void } | null;
	readonly env: Record<string, string>;
}

/** Serves the requests of one session channel. */
export function serveSession(session: Session): void {
	const state: ChannelState = { pty: null, running: null, env: {} };
	session.on("pty", (accept, _reject, info: PseudoTtyInfo & { term?: string }) => {
		state.pty = { term: info.term ?? "xterm-256color", cols: info.cols || 80, rows: info.rows || 24 };
		accept?.();
	});
	session.on("window-change", (accept, _reject, info) => {
		state.running?.resize(info.cols, info.rows);
		accept?.();
	});
	session.on("env", (accept, reject, info: { key: string; val: string }) => {
		if (!ACCEPTED_ENV.test(info.key)) return reject?.();
		state.env[info.key] = info.val;
		accept?.();
	});
	session.on("signal", (accept, _reject, info: { name: string }) => {
		const name = info.name.startsWith("SIG") ? info.name : `SIG${info.name}`;
		if (SIGNALS.has(name)) state.running?.kill(name as NodeJS.Signals);
		accept?.();
	});
	session.on("shell", (accept) => run(accept(), null, state));
	session.on("exec", (accept, _reject, info) => run(accept(), info.command, state));
	session.on("subsystem", (accept, reject, info) => {
		if (info.name === CONTROL_SUBSYSTEM) serveControl(accept());
		else reject?.();
	});
}

function run(channel: ServerChannel, command: string | null, state: ChannelState): void {
	const env = userEnvironment(state.env);
	// A command of null is a login shell; either may run with or without a PTY, as sshd allows.
	if (state.pty) runPty(channel, command, env, state.pty, state);
	else runPiped(channel, command, env, state);
}

function runPty(
	channel: ServerChannel,
	command: string | null,
	env: Record<string, string>,
	pty: Pty,
	state: ChannelState,
) {
	let child: PtyProcess;
	try {
		child = spawnPty(command, env, pty, (bytes) => void channel.write(Buffer.from(bytes)));
	} catch (error) {
		return fail(channel, error);
	}
	state.running = child;
	channel.on("data", (bytes: Buffer) => child.write(bytes));
	channel.on("close", () => child.kill("SIGHUP"));
	child.exited.then(
		(code) => finish(channel, code, child.signal()),
		(error: unknown) => fail(channel, error),
	);
}

function runPiped(
	channel: ServerChannel,
	command: string | null,
	env: Record<string, string>,
	state: ChannelState,
): void {
	const child = spawnPiped(command, env);
	const pid = child.pid;
	state.running = { resize: () => {}, kill: (signal) => pid !== undefined && killGroup(pid, signal) };
	child.on("error", (error) => fail(channel, error));
	if (!child.stdin || !child.stdout || !child.stderr) return;
	// A command that ends before it has read all of its input is not an error of ours.
	child.stdin.on("error", () => {});
	channel.pipe(child.stdin);
	child.stdout.pipe(channel, { end: false });
	child.stderr.pipe(channel.stderr, { end: false });
	channel.on("close", () => state.running?.kill("SIGHUP"));
	// "close" comes after both outputs are read to their end: nothing of the output is lost.
	child.on("close", (code, signal) => finish(channel, code, signal));
}

function finish(channel: ServerChannel, code: number | null, signal: NodeJS.Signals | null): void {
	if (signal) channel.exit(signal.replace(/^SIG/, ""), false, "");
	else channel.exit(code ?? 255);
	channel.end();
}

function fail(channel: ServerChannel, error: unknown): void {
	channel.stderr.write(`virtualghost-agent: ${error instanceof Error ? error.message : String(error)}\n`);
	channel.exit(126);
	channel.end();
}
