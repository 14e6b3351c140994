/** Starts QEMU (and its helper) as children that never outlive the launcher, and ends them in order. */
import type { Duplex } from "node:stream";
import { Fault, reason } from "../errors.ts";
import { signalQuietly } from "../host/processes.ts";
import { adoptSocket } from "../network/adopt.ts";
import type { LogFile } from "./logs.ts";

export interface ChildOptions {
	readonly argv: readonly string[];
	readonly env: Readonly<Record<string, string>>;
	/** Where stdout and stderr go. */
	readonly log: LogFile;
	/** Number of sockets to hand over, on descriptors 3, 4, … */
	readonly sockets?: number;
	/** Descriptors of this process's that the child gets too, behind those sockets. They stay open here; `ignore` leaves one out. */
	readonly fds?: readonly (number | "ignore")[];
}

/** How long a process may take to follow SIGTERM before SIGKILL. */
const TERM_GRACE_MS = 3_000;

/** A child in its own process group: the terminal's Ctrl+C reaches the launcher first, which ends it in order. */
export class Child implements AsyncDisposable {
	readonly pid: number;
	/** Exit code, 128 + N for a signal. */
	readonly exited: Promise<number>;
	readonly streams: readonly Duplex[];
	#running = true;

	private constructor(child: Bun.Subprocess, streams: readonly Duplex[]) {
		this.pid = child.pid;
		this.streams = streams;
		this.exited = child.exited.then((code) => {
			this.#running = false;
			return code;
		});
	}

	/** @throws Fault if the program cannot be started. */
	static start(options: ChildOptions): Child {
		const { argv, env, log, sockets = 0, fds = [] } = options;
		let child: Bun.Subprocess;
		try {
			child = Bun.spawn([...argv], {
				env: { ...env },
				stdio: ["ignore", "pipe", "pipe", ...Array.from({ length: sockets }, () => "pipe" as const), ...fds],
				// setsid(): its own session and process group.
				detached: process.platform !== "win32",
			});
		} catch (error) {
			throw new Fault(`${argv[0]} cannot be started`, { why: reason(error), cause: error });
		}
		for (const output of [child.stdout, child.stderr]) {
			if (output instanceof ReadableStream) void copyToLog(output, log);
		}
		const streams = Array.from({ length: sockets }, (_, index) => adopt(child.stdio[index + 3]));
		return new Child(child, streams);
	}

	get running(): boolean {
		return this.#running;
	}

	/** Waits up to `milliseconds` for the exit. */
	async exitsWithin(milliseconds: number): Promise<boolean> {
		if (!this.#running) return true;
		let timer: ReturnType<typeof setTimeout> | undefined;
		const timeout = new Promise<boolean>((resolve) => {
			timer = setTimeout(() => resolve(false), milliseconds);
		});
		const result = await Promise.race([this.exited.then(() => true), timeout]);
		clearTimeout(timer);
		return result;
	}

	kill(signal: NodeJS.Signals): void {
		if (this.#running) signalQuietly(process.platform === "win32" ? this.pid : -this.pid, signal);
	}

	/** TERM, then KILL; resolves when the process is gone. */
	async [Symbol.asyncDispose](): Promise<void> {
		this.kill("SIGTERM");
		if (!(await this.exitsWithin(TERM_GRACE_MS))) this.kill("SIGKILL");
		await this.exited;
		for (const stream of this.streams) stream.destroy();
	}
}

function adopt(fd: unknown): Duplex {
	if (typeof fd !== "number") throw new Fault("No socket could be handed over to QEMU");
	return adoptSocket(fd);
}

async function copyToLog(output: ReadableStream<Uint8Array>, log: LogFile): Promise<void> {
	try {
		for await (const chunk of output) log.write(chunk);
	} catch {
		// The pipe broke with the process.
	}
}
