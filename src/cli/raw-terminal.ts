/** The user's own terminal while a session of the guest has it: raw while it lasts, as it was before afterwards, kill -9 included. */
import { closeSync, existsSync, writeSync } from "node:fs";

/** Leaves what programs of the guest may have switched on: other screen, mouse, pasted text's brackets, hidden cursor, colours, keypad. */
const RESET = "\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?25h\x1b[0m\x1b[?1l\x1b>";

/**
 * Waits for the launcher's end. The launcher says "done" when it has restored the terminal itself; without a word it was killed.
 * A grandchild, since direct children of the launcher are made to die with it (docs/decisions/detach.md). TTOU is ignored: by then the
 * shell has the terminal.
 */
const GUARD = `(trap '' INT TERM HUP QUIT TSTP TTOU
read -r word <&3
[ "$word" = done ] || { stty "$0" </dev/tty; printf '%b' "$1" >/dev/tty; }) </dev/null >/dev/null 2>&1 &`;

const STTY = ["/bin/stty", "/usr/bin/stty"].find((path) => existsSync(path));

export class RawTerminal implements Disposable {
	/** Leads to the guard; its standard input would be closed with the guard's parent. */
	readonly #guard: number | null;
	#restored = false;

	/** Takes the terminal on stdin. */
	constructor() {
		this.#guard = startGuard();
		process.stdin.setRawMode(true);
	}

	/** Gives it back; `abrupt` if the session did not end by itself, so that its programs could not clean up. */
	restore(abrupt: boolean): void {
		if (this.#restored) return;
		this.#restored = true;
		process.stdin.setRawMode(false);
		if (abrupt && process.stdout.isTTY) process.stdout.write(RESET);
		if (this.#guard === null) return;
		try {
			writeSync(this.#guard, "done\n");
		} catch {
			// Somebody killed it.
		}
		closeSync(this.#guard);
	}

	[Symbol.dispose](): void {
		this.restore(true);
	}
}

function startGuard(): number | null {
	if (!STTY) return null;
	const saved = Bun.spawnSync([STTY, "-g"], { stdin: "inherit" }).stdout.toString().trim();
	if (!/^[0-9a-f:]+$/.test(saved)) return null;
	const reset = RESET.replaceAll("\x1b", "\\033");
	const guard = Bun.spawn(["/bin/sh", "-c", GUARD.replaceAll("stty", STTY), saved, reset], {
		stdio: ["ignore", "ignore", "ignore", "pipe"],
	});
	const fd: unknown = guard.stdio[3];
	return typeof fd === "number" ? fd : null;
}
