/**
 * Notices a guest that will not come back by itself: its processor stopped by an error, or nothing in it answers any more. (A panic
 * ends QEMU without our help.) docs/decisions/guest-watch.md
 */
import { HEARTBEAT_MS } from "../wire/events.ts";
import type { Qmp, QmpEvent } from "./qmp.ts";

export type Trouble = "internal-error" | "hung";

/** What is asked of the machine. */
export interface Guarded {
	readonly qmp: Pick<Qmp, "on" | "execute">;
	/** Whether the guest's kernel runs: before that the start judges by itself, and steps down. */
	isAlive(): boolean;
	/** Whether the guest says anything at all within `timeoutMs`, be it that its agent is gone. */
	answers(timeoutMs: number): Promise<boolean>;
	note(text: string): void;
}

export interface Patience {
	/** Without a heartbeat, before the guest is asked. */
	readonly silenceMs: number;
	/** For it to answer. */
	readonly answerMs: number;
}

/** `hungMs` is from the last heartbeat to the verdict, 0 for never: two thirds of listening, one of asking, a second to act. */
export function patienceOf(hungMs: number): Patience | null {
	if (hungMs === 0) return null;
	return { silenceMs: Math.max(HEARTBEAT_MS, (hungMs * 2) / 3 - 1000), answerMs: hungMs / 3 };
}

/** A guest that sleeps or is paused owes nobody a heartbeat. */
const RESTING: ReadonlySet<string> = new Set(["STOP", "SUSPEND", "SUSPEND_DISK", "SHUTDOWN"]);
const AWAKE: ReadonlySet<string> = new Set(["RESUME", "WAKEUP"]);

export class GuestGuard implements Disposable {
	/** Resolves once, when the machine is beyond help. */
	readonly trouble: Promise<Trouble>;
	readonly #guarded: Guarded;
	readonly #patience: Patience | null;
	readonly #resolve: (trouble: Trouble) => void;
	#timer: ReturnType<typeof setTimeout> | undefined;
	/** It has sent a heartbeat: an agent of another version may send none. */
	#beats = false;
	#resting = false;
	/** Counts heartbeats, so that a question knows whether one came meanwhile. */
	#count = 0;
	#over = false;

	/** Without patience no silence is too long. */
	constructor(guarded: Guarded, patience: Patience | null) {
		this.#guarded = guarded;
		this.#patience = patience;
		const { promise, resolve } = Promise.withResolvers<Trouble>();
		this.trouble = promise;
		this.#resolve = resolve;
		guarded.qmp.on("event", (event) => this.#note(event));
	}

	/** The guest has given a sign of life. */
	beat(): void {
		this.#beats = true;
		this.#count++;
		this.#listen();
	}

	#note({ event }: QmpEvent): void {
		if (RESTING.has(event)) {
			this.#resting = true;
			clearTimeout(this.#timer);
		}
		if (AWAKE.has(event)) {
			this.#resting = false;
			this.#listen();
		}
		if (event === "STOP" && this.#guarded.isAlive()) void this.#askWhyStopped();
	}

	/** A bare STOP does not say why. */
	async #askWhyStopped(): Promise<void> {
		const answer = (await this.#guarded.qmp.execute("query-status").catch(() => null)) as { status?: unknown } | null;
		if (answer?.status === "internal-error") this.#give("internal-error");
	}

	#listen(): void {
		clearTimeout(this.#timer);
		if (this.#over || !this.#patience || !this.#beats || this.#resting) return;
		const { silenceMs, answerMs } = this.#patience;
		this.#timer = setTimeout(() => void this.#ask(answerMs), silenceMs);
	}

	async #ask(answerMs: number): Promise<void> {
		const before = this.#count;
		const answers = await this.#guarded.answers(answerMs);
		if (this.#over || this.#resting || this.#count !== before) return;
		if (!answers) return this.#give("hung");
		this.#guarded.note("the guest's agent has stopped reporting; its kernel still answers");
		this.#listen();
	}

	#give(trouble: Trouble): void {
		if (this.#over) return;
		this[Symbol.dispose]();
		this.#resolve(trouble);
	}

	[Symbol.dispose](): void {
		this.#over = true;
		clearTimeout(this.#timer);
	}
}
