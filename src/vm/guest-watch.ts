/** Follows what the guest says of itself (events port and serial console) as stages that can be waited for. */
import type { Duplex } from "node:stream";
import { decodeEvent } from "../wire/event-schema.ts";
import { EVENT_LINE_BYTES_MAX, type GuestEvent } from "../wire/events.ts";
import { LineSplitter } from "../wire/lines.ts";
import { PROTOCOL_VERSION } from "../wire/names.ts";
import type { LogFile } from "./logs.ts";

/** In the order of a start. */
export type Stage = "kernel" | "waiting" | "agent" | "terminal" | "ended";

/** What draws in the guest, by its own word (untrusted). */
export type Graphics = Extract<GuestEvent, { event: "graphics" }>;

export type SessionEnd = Extract<GuestEvent, { event: "session-ended" }>;

/** The initramfs writes these to the console; the second one before it gives up. */
const SERIAL_ALIVE = "virtualghost: initramfs";
const SERIAL_FATAL = "virtualghost: fatal: ";
/** The kernel's own; the trace that follows is longer than what an error shows. */
const SERIAL_PANIC = "Kernel panic - not syncing: ";
const SERIAL_LINE_CHARS_MAX = 4096;

export class GuestWatch {
	/** The session's own account of its end, once it came. */
	sessionEnd: SessionEnd | null = null;
	/** What a client of the session gets, once it came; only where a GPU draws. */
	graphics: Graphics | null = null;
	/** Called with each word of it: a session that steps down says so in a second one. */
	onGraphics: (graphics: Graphics) => void = () => {};
	/** Called each time the agent says that it does not know who it is. */
	onWaiting: () => void = () => {};
	/** Called with each sign of life of the agent: its first word, then its heartbeats. */
	onAlive: () => void = () => {};
	/** Why the guest says that it cannot start. */
	fatal: string | null = null;
	/** Why its kernel has panicked, by its own word. */
	panic: string | null = null;
	/** Set where guest and launcher speak different protocols. */
	foreignProtocol: { readonly protocol: number; readonly version: string } | null = null;
	readonly #seen = new Set<Stage>();
	readonly #waiting = new Map<Stage, { promise: Promise<void>; resolve: () => void }>();

	constructor(streams: { serial: Duplex; events: Duplex }, serialLog: LogFile) {
		for (const stage of ["kernel", "waiting", "agent", "terminal", "ended"] as const) {
			this.#waiting.set(stage, Promise.withResolvers<void>());
		}
		const serialLines = new LineSplitter(SERIAL_LINE_CHARS_MAX);
		streams.serial.on("data", (bytes: Buffer) => {
			serialLog.write(bytes);
			for (const line of serialLines.push(bytes)) this.#readSerial(line);
		});
		const eventLines = new LineSplitter(EVENT_LINE_BYTES_MAX);
		streams.events.on("data", (bytes: Buffer) => {
			for (const line of eventLines.push(bytes)) this.#readEvent(line);
		});
	}

	/** Resolves when the guest has reached `stage`; never rejects, so race it against the process's exit. */
	reached(stage: Stage): Promise<void> {
		return this.#waiting.get(stage)?.promise ?? Promise.resolve();
	}

	/** Whether the guest has reached `stage` by now. */
	has(stage: Stage): boolean {
		return this.#seen.has(stage);
	}

	#mark(stage: Stage): void {
		this.#seen.add(stage);
		this.#waiting.get(stage)?.resolve();
	}

	#readSerial(line: string): void {
		if (line.includes(SERIAL_ALIVE)) this.#mark("kernel");
		const fatal = line.indexOf(SERIAL_FATAL);
		const panic = line.indexOf(SERIAL_PANIC);
		if (panic >= 0) this.panic ??= line.slice(panic + SERIAL_PANIC.length).trim();
		if (fatal >= 0) this.fatal ??= line.slice(fatal + SERIAL_FATAL.length).trim();
	}

	#readEvent(line: string): void {
		const event = decodeEvent(line);
		switch (event?.event) {
			case "initramfs":
				this.#mark("kernel");
				break;
			case "agent":
				if (event.protocol !== PROTOCOL_VERSION) {
					this.foreignProtocol = { protocol: event.protocol, version: event.version };
				}
				this.#mark("kernel");
				this.#mark("agent");
				if (!this.foreignProtocol) this.onAlive();
				break;
			case "waiting":
				this.#mark("kernel");
				this.#mark("waiting");
				this.onWaiting();
				break;
			case "terminal-up":
				this.#mark("terminal");
				break;
			case "alive":
				this.onAlive();
				break;
			case "graphics":
				this.graphics = event;
				this.onGraphics(event);
				break;
			case "session-ended":
				this.sessionEnd ??= event;
				this.#mark("ended");
				break;
		}
	}
}
