/** A QMP client over a stream: commands with replies, events, bounded lines. https://www.qemu.org/docs/master/interop/qmp-spec.html */
import { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import { Fault } from "../errors.ts";
import { LineSplitter } from "../wire/lines.ts";

/** Replies of `query-*` commands stay far below this. */
const LINE_CHARS_MAX = 4 * 1024 * 1024;
const COMMAND_TIMEOUT_MS = 30_000;

export interface QmpEvent {
	readonly event: string;
	readonly data: Readonly<Record<string, unknown>>;
}

interface Pending {
	resolve(value: unknown): void;
	reject(error: Error): void;
}

/** Emits "event" with a `QmpEvent`, and "close" when QEMU has closed the connection. */
export class Qmp extends EventEmitter<{ event: [QmpEvent]; close: [] }> {
	readonly #stream: Duplex;
	readonly #pending = new Map<number, Pending>();
	#next = 1;
	#greeted: Pending | null = null;
	#closed = false;

	constructor(stream: Duplex) {
		super();
		this.#stream = stream;
		const lines = new LineSplitter(LINE_CHARS_MAX);
		stream.on("data", (bytes: Buffer) => {
			for (const line of lines.push(bytes)) this.#receive(line);
		});
		stream.on("error", () => this.#close());
		stream.on("close", () => this.#close());
		stream.on("end", () => this.#close());
	}

	/** Waits for the greeting and leaves negotiation mode. @throws Fault if QEMU ends first. */
	async negotiate(): Promise<void> {
		await new Promise<void>((resolve, reject) => {
			if (this.#closed) return reject(closedFault());
			this.#greeted = { resolve: () => resolve(), reject };
		});
		await this.execute("qmp_capabilities");
	}

	/** @throws Fault with QEMU's words if the command fails, if it takes 30 s, or if QEMU is gone. */
	execute(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
		if (this.#closed) return Promise.reject(closedFault());
		const id = this.#next++;
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() => {
				this.#pending.delete(id);
				reject(new Fault(`QEMU did not answer "${command}" within ${COMMAND_TIMEOUT_MS / 1000} s`));
			}, COMMAND_TIMEOUT_MS);
			this.#pending.set(id, {
				resolve: (value) => {
					clearTimeout(timer);
					resolve(value);
				},
				reject: (error) => {
					clearTimeout(timer);
					reject(error);
				},
			});
			this.#stream.write(`${JSON.stringify({ execute: command, arguments: args, id })}\r\n`);
		});
	}

	#receive(line: string): void {
		const message = parseMessage(line);
		if (!message) return;
		if ("QMP" in message) {
			this.#greeted?.resolve(undefined);
			this.#greeted = null;
			return;
		}
		if (typeof message.event === "string") {
			this.emit("event", { event: message.event, data: asRecord(message.data) });
			return;
		}
		const pending = typeof message.id === "number" ? this.#pending.get(message.id) : undefined;
		if (!pending) return;
		this.#pending.delete(message.id as number);
		if ("error" in message) pending.reject(new Fault(String(asRecord(message.error).desc ?? "QMP error")));
		else pending.resolve(message.return);
	}

	#close(): void {
		if (this.#closed) return;
		this.#closed = true;
		this.#greeted?.reject(closedFault());
		for (const pending of this.#pending.values()) pending.reject(closedFault());
		this.#pending.clear();
		this.emit("close");
	}
}

function closedFault(): Fault {
	return new Fault("QEMU has closed its control connection");
}

function parseMessage(line: string): Record<string, unknown> | null {
	if (line.trim() === "") return null;
	try {
		const value: unknown = JSON.parse(line);
		return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
	} catch {
		return null;
	}
}

function asRecord(value: unknown): Record<string, unknown> {
	return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
