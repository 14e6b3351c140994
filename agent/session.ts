/** One SSH session channel: shell, exec, PTY, signals, and the subsystems. */
import { existsSync } from "node:fs";
import type { PseudoTtyInfo, ServerChannel, Session } from "ssh2";
import { CONTROL_SUBSYSTEM } from "../src/wire/names.ts";
import { whenBusIsUp, whenSystemIsUp } from "./early.ts";
import { type Program, type Running, runOnPty, runPiped } from "./programs.ts";
import { Pty } from "./pty.ts";
import { type Account, shellArgv } from "./users.ts";

/** Variables that a client may set, as sshd's AcceptEnv. */
const ACCEPTED_ENV = /^(LANG|LC_[A-Z]+|TERM|COLORTERM|VIRTUALGHOST_[A-Z_]+)$/;
const ENV_MAX = 64;
const SIGNALS = new Set<NodeJS.Signals>([
	"SIGABRT",
	"SIGALRM",
	"SIGHUP",
	"SIGINT",
	"SIGKILL",
	"SIGQUIT",
	"SIGTERM",
	"SIGUSR1",
	"SIGUSR2",
]);
/** A client that has sent more before its program runs means none of them. */
const SIGNALS_EARLY_MAX = 16;
/** Where distributions keep OpenSSH's: Debian, Arch, Fedora. */
const SFTP_SERVERS = ["/usr/lib/openssh/sftp-server", "/usr/lib/ssh/sftp-server", "/usr/libexec/openssh/sftp-server"];
/** Same as a shell's "found but cannot be run". */
const EXIT_CANNOT_RUN = 126;
const DEFAULT_TERM = "xterm-256color";

interface ChannelState {
	readonly account: Account;
	readonly env: Record<string, string>;
	pty: PseudoTtyInfo | null;
	/** Of the program, once it runs. */
	terminal: Pty | null;
	running: Running | null;
	/** Those that came before it ran. */
	readonly signals: NodeJS.Signals[];
}

/** Serves the requests of one session channel. X11 and agent forwarding are refused by having no handler. */
export function serveSession(session: Session, account: Account): void {
	const state: ChannelState = { account, env: {}, pty: null, terminal: null, running: null, signals: [] };
	session.on("pty", (accept, _reject, info) => {
		state.pty = { ...info, cols: info.cols || 80, rows: info.rows || 24 };
		accept?.();
	});
	session.on("window-change", (accept, _reject, info) => {
		if (state.pty) Object.assign(state.pty, info);
		state.terminal?.resize(info);
		accept?.();
	});
	session.on("env", (accept, reject, info: { key: string; val: string }) => {
		if (!ACCEPTED_ENV.test(info.key) || Object.keys(state.env).length >= ENV_MAX) return reject?.();
		state.env[info.key] = info.val;
		accept?.();
	});
	session.on("signal", (accept, _reject, info: { name: string }) => {
		const name = (info.name.startsWith("SIG") ? info.name : `SIG${info.name}`) as NodeJS.Signals;
		if (SIGNALS.has(name)) {
			if (state.running) state.running.signal(name);
			else if (state.signals.length < SIGNALS_EARLY_MAX) state.signals.push(name);
		}
		accept?.();
	});
	session.on("shell", (accept) => void start(accept(), state, null));
	session.on("exec", (accept, _reject, info) => void start(accept(), state, info.command));
	session.on("subsystem", (accept, reject, info) => {
		const sftp = SFTP_SERVERS.find((path) => existsSync(path));
		if (info.name === CONTROL_SUBSYSTEM) void openControl(quiet(accept()));
		else if (info.name === "sftp" && sftp) void start(accept(), { ...state, pty: null }, `exec ${sftp}`);
		else reject?.();
	});
}

/** Loaded when somebody asks for it: what checks its requests would be a quarter of the agent's start. */
async function openControl(channel: ServerChannel): Promise<void> {
	const { serveControl } = await import("./control.ts");
	if (await isThereAfter(channel, whenSystemIsUp())) serveControl(channel);
}

/** Programs wait for what the system gives them; requests that come meanwhile are for the channel as it is then. */
async function start(channel: ServerChannel, state: ChannelState, command: string | null): Promise<void> {
	quiet(channel);
	if (await isThereAfter(channel, whenBusIsUp())) run(channel, state, command);
}

/** Nothing is started for somebody who has gone meanwhile. */
async function isThereAfter(channel: ServerChannel, wait: Promise<void>): Promise<boolean> {
	let isThere = true;
	const note = () => {
		isThere = false;
	};
	channel.once("close", note);
	await wait;
	channel.off("close", note);
	return isThere;
}

/** A command of null is a login shell; either may run with or without a PTY, as sshd allows. */
function run(channel: ServerChannel, state: ChannelState, command: string | null): void {
	const { account, pty } = state;
	const program: Program = {
		account,
		argv: shellArgv(command),
		env: { ...account.environment, ...state.env },
		cwd: existsSync(account.home) ? account.home : "/",
	};
	try {
		state.running = pty ? runWithTerminal(channel, state, program, pty) : runPiped(channel, program);
		for (const name of state.signals.splice(0)) state.running.signal(name);
	} catch (error) {
		channel.stderr.write(`virtualghost-agent: ${error instanceof Error ? error.message : String(error)}\n`);
		channel.exit(EXIT_CANNOT_RUN);
		channel.end();
	}
}

function runWithTerminal(channel: ServerChannel, state: ChannelState, program: Program, info: PseudoTtyInfo): Running {
	const terminal = Pty.open(state.account.uid);
	state.terminal = terminal;
	try {
		terminal.resize(info);
		terminal.setModes(info.modes ?? {});
		const env = { ...program.env, TERM: info.term || DEFAULT_TERM, SSH_TTY: terminal.path };
		return runOnPty(channel, { ...program, env }, terminal);
	} catch (error) {
		terminal[Symbol.dispose]();
		throw error;
	}
}

/** A write that comes too late for its channel is no reason to end the agent. */
function quiet(channel: ServerChannel): ServerChannel {
	channel.on("error", () => {});
	channel.stderr.on("error", () => {});
	return channel;
}
