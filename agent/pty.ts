/**
 * A pseudo-terminal of our own. Bun's `terminal` option has no way to stop reading: `yes` into a client that does not read
 * would grow the agent without end. Here nobody reads the master until the client has taken what was read before.
 */
import { ptr } from "bun:ffi";
import { chmodSync, chownSync, closeSync, writeSync } from "node:fs";
import type { TerminalModes } from "ssh2";
import { libc } from "./libc.ts";
import { applyModes, TERMIOS_BYTES } from "./termios.ts";

export interface PtySize {
	readonly cols: number;
	readonly rows: number;
	/** Pixels; 0 where the client does not say. */
	readonly width: number;
	readonly height: number;
}

const O_RDWR = 0o2;
const O_NOCTTY = 0o400;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const TIOCSWINSZ = 0x5414n;
const TCGETS = 0x5401n;
const TCSETS = 0x5402n;
/** "/dev/pts/4294967295" */
const NAME_BYTES = 32;
/** Group `tty`, as grantpt(3) leaves it. */
const TTY_GID = 5;
/** A program that does not read its terminal is asked again this often. */
const WRITE_AGAIN_MS = 10;
/** What a program has written before its end is in the kernel's buffers by then; readers of a background job are not waited for. */
const DRAIN_MS = 100;

export class Pty implements Disposable {
	/** Name of the other side, for the program: /dev/pts/N. */
	readonly path: string;
	#master: number;
	#reader: { cancel(): Promise<void> } | null = null;
	#bytesRead = 0;
	#delivering = false;

	private constructor(master: number, path: string) {
		this.#master = master;
		this.path = path;
	}

	/** @throws Error if the kernel gives none. */
	static open(uid: number): Pty {
		const master = libc.posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		if (master < 0) throw new Error("no pseudo-terminal is to be had");
		const name = new Uint8Array(NAME_BYTES);
		if (
			libc.grantpt(master) !== 0 ||
			libc.unlockpt(master) !== 0 ||
			libc.ptsname_r(master, ptr(name), NAME_BYTES) !== 0
		) {
			closeSync(master);
			throw new Error("the pseudo-terminal cannot be opened");
		}
		const path = new TextDecoder().decode(name.subarray(0, name.indexOf(0)));
		// tmux, screen and mesg open it by its name.
		chownSync(path, uid, TTY_GID);
		chmodSync(path, 0o620);
		return new Pty(master, path);
	}

	resize({ rows, cols, width, height }: PtySize): void {
		if (this.#master < 0) return;
		const size = new Uint16Array([rows, cols, width, height].map((value) => Math.min(value, 0xffff)));
		libc.ioctl(this.#master, TIOCSWINSZ, ptr(size));
	}

	setModes(modes: TerminalModes): void {
		const termios = new Uint8Array(TERMIOS_BYTES);
		if (libc.ioctl(this.#master, TCGETS, ptr(termios)) !== 0) return;
		libc.ioctl(this.#master, TCSETS, ptr(applyModes(termios, modes)));
	}

	/** Hands on what the program writes, one piece at a time, until its last descriptor is closed (or ours is). */
	async pump(deliver: (bytes: Uint8Array) => Promise<void>): Promise<void> {
		const reader = Bun.file(this.#master).stream().getReader();
		this.#reader = reader;
		try {
			for (;;) {
				const { value, done } = await reader.read();
				if (done) return;
				this.#bytesRead += value.length;
				this.#delivering = true;
				await deliver(value);
				this.#delivering = false;
			}
		} catch {
			// EIO: nobody has the other side open any more.
		}
	}

	/** Resolves when all that a program wrote before its end was delivered; background jobs may still hold the terminal. */
	async drained(): Promise<void> {
		for (;;) {
			const before = this.#bytesRead;
			await Bun.sleep(DRAIN_MS);
			if (this.#bytesRead === before && !this.#delivering) return;
		}
	}

	/** Types `bytes`; resolves when the program's input queue has taken them all. */
	async write(bytes: Uint8Array): Promise<void> {
		let done = 0;
		while (done < bytes.length && this.#master >= 0) {
			try {
				done += writeSync(this.#master, bytes, done);
			} catch (error) {
				if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return;
				await Bun.sleep(WRITE_AGAIN_MS);
			}
		}
	}

	/** Hangs up: the program and its foreground jobs get SIGHUP. */
	[Symbol.dispose](): void {
		if (this.#master < 0) return;
		// It rejects when the other side has ended first.
		this.#reader?.cancel().catch(() => {});
		closeSync(this.#master);
		this.#master = -1;
	}
}
