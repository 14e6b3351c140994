/** Starts programs as the session's user, with and without a PTY. */
import { type ChildProcess, spawn } from "node:child_process";
import { GUEST_UID, GUEST_USER } from "../src/wire/names.ts";

export interface Pty {
	readonly term: string;
	readonly cols: number;
	readonly rows: number;
}

const HOME = `/home/${GUEST_USER}`;
const SHELL = "/bin/bash";

/** Environment of a login of the session's user; the client's own variables (already filtered) come on top. */
export function userEnvironment(extra: Readonly<Record<string, string>>): Record<string, string> {
	return {
		HOME,
		USER: GUEST_USER,
		LOGNAME: GUEST_USER,
		SHELL,
		PATH: "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games:/usr/local/sbin:/usr/sbin:/sbin",
		LANG: "C.UTF-8",
		XDG_RUNTIME_DIR: `/run/user/${GUEST_UID}`,
		...extra,
	};
}

/** `command` null means a login shell. setpriv gives up root before anything of the user's runs. */
function userArgv(command: string | null): string[] {
	const shell = command === null ? [SHELL, "-l"] : [SHELL, "-c", command];
	return ["setpriv", `--reuid=${GUEST_USER}`, `--regid=${GUEST_USER}`, "--init-groups", "--", ...shell];
}

/** Runs `command` with pipes, in a process group of its own so that all of it can be signalled. */
export function spawnPiped(command: string | null, env: Record<string, string>): ChildProcess {
	const [file = "", ...args] = userArgv(command);
	return spawn(file, args, { env, cwd: HOME, detached: true, stdio: ["pipe", "pipe", "pipe"] });
}

export interface PtyProcess {
	readonly exited: Promise<number>;
	readonly signal: () => NodeJS.Signals | null;
	write(bytes: Uint8Array): void;
	resize(cols: number, rows: number): void;
	kill(signal: NodeJS.Signals): void;
}

/** Runs `command` on a new PTY that belongs to the session's user (chown: tmux and screen open it by name). */
export function spawnPty(
	command: string | null,
	env: Record<string, string>,
	pty: Pty,
	onData: (bytes: Uint8Array) => void,
): PtyProcess {
	const own = ["/bin/sh", "-c", `chown ${GUEST_USER}: "$(tty)"; exec "$@"`, "pty", ...userArgv(command)];
	const child = Bun.spawn(own, {
		cwd: HOME,
		env: { ...env, TERM: pty.term },
		// Given inline: a Bun.Terminal made beforehand does not become the controlling terminal.
		terminal: { cols: pty.cols, rows: pty.rows, data: (_terminal, bytes) => onData(bytes) },
	});
	const terminal = child.terminal;
	if (!terminal) throw new Error("no PTY is to be had");
	return {
		exited: child.exited,
		signal: () => child.signalCode as NodeJS.Signals | null,
		write: (bytes) => void terminal.write(bytes),
		resize: (cols, rows) => terminal.resize(cols, rows),
		kill: (signal) => killGroup(child.pid, signal),
	};
}

/** Signals a whole process group; a group that is gone already is what was wanted. */
export function killGroup(pid: number, signal: NodeJS.Signals): void {
	try {
		process.kill(-pid, signal);
	} catch {
		// ESRCH: it ended by itself.
	}
}
