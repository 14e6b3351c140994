/** Commands for L1: names of scripts go in by a virtio port, their output lies in a shared folder. */
import { existsSync, readFileSync } from "node:fs";
import type net from "node:net";

export interface CommandOutcome {
	/** 128 + N for a signal. */
	readonly code: number;
	/** Both streams, as they came. */
	readonly output: string;
	readonly seconds: number;
}

export interface CommandOptions {
	/** Account in L1: root, ghost (may use sudo) or nobody-else (may not). */
	readonly user?: "root" | "ghost" | "nobody-else";
	readonly timeoutMs?: number;
}

/** A command that runs in L1. */
export class L1Command {
	readonly outcome: Promise<CommandOutcome>;
	readonly #path: string;

	constructor(path: string, exit: Promise<number>, timeoutMs: number) {
		const from = performance.now();
		this.#path = path;
		const { promise: late, reject } = Promise.withResolvers<never>();
		const timer = setTimeout(() => reject(new Error(`no end within ${timeoutMs} ms: ${this.output}`)), timeoutMs);
		this.outcome = Promise.race([exit, late])
			.then((code) => ({ code, output: this.output, seconds: (performance.now() - from) / 1000 }))
			.finally(() => clearTimeout(timer));
	}

	/** What it has said so far. */
	get output(): string {
		return existsSync(this.#path) ? readFileSync(this.#path, "utf8") : "";
	}

	/** Waits for a text in the output. @throws Error if the command ends without it */
	async says(text: string | RegExp): Promise<void> {
		const said = () => (typeof text === "string" ? this.output.includes(text) : text.test(this.output));
		let ended = false;
		const end = () => {
			ended = true;
		};
		this.outcome.then(end, end);
		while (!said()) {
			if (ended && !said()) throw new Error(`never said ${text}: ${this.output}`);
			await Bun.sleep(50);
		}
	}
}

/** Names of scripts go out, `name code` comes in. */
export class CommandPort {
	readonly #socket: net.Socket;
	readonly #waiting = new Map<string, (code: number) => void>();

	constructor(socket: net.Socket) {
		this.#socket = socket;
		let rest = "";
		socket.on("data", (bytes: Buffer) => {
			const lines = (rest + bytes.toString("latin1")).split("\n");
			rest = lines.pop() ?? "";
			for (const line of lines) {
				const [id = "", code = ""] = line.trim().split(" ");
				this.#waiting.get(id)?.(Number(code));
				this.#waiting.delete(id);
			}
		});
	}

	/** Its exit code. Never rejects: race it. */
	answer(id: string): Promise<number> {
		return new Promise((resolve) => this.#waiting.set(id, resolve));
	}

	send(id: string): void {
		this.#socket.write(`${id}\n`);
	}
}
