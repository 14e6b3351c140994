/** Ctrl+C and friends as something that can be waited for, so that no handler has to know what is going on. */
import { EXIT, Fault } from "./errors.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
export type Interrupt = (typeof SIGNALS)[number];

export class Interrupts implements Disposable {
	#waiting: PromiseWithResolvers<Interrupt> = Promise.withResolvers();
	#handlers = new Map<Interrupt, () => void>();
	readonly #first = new AbortController();
	readonly #asked = new AbortController();
	/** The first one that came. */
	first: Interrupt | null = null;

	constructor() {
		for (const signal of SIGNALS) {
			const handler = () => this.#received(signal);
			this.#handlers.set(signal, handler);
			process.on(signal, handler);
		}
	}

	/** Somebody asks for the end in another way than by a signal; asking twice is no impatience. */
	ask(): void {
		if (this.first !== null) return;
		this.#asked.abort(interruptFault("SIGTERM"));
		this.#received("SIGTERM");
	}

	/** Aborted by `ask`. */
	get asked(): AbortSignal {
		return this.#asked.signal;
	}

	#received(signal: Interrupt): void {
		this.first ??= signal;
		this.#first.abort(interruptFault(this.first));
		const waiting = this.#waiting;
		this.#waiting = Promise.withResolvers();
		waiting.resolve(signal);
	}

	/** Aborted by the first one, with the `Fault` to end with. */
	get signal(): AbortSignal {
		return this.#first.signal;
	}

	/** Resolves at the next signal; those that came before do not count. */
	next(): Promise<Interrupt> {
		return this.#waiting.promise;
	}

	[Symbol.dispose](): void {
		for (const [signal, handler] of this.#handlers) process.off(signal, handler);
	}
}

function interruptFault(interrupt: Interrupt): Fault {
	return new Fault(`Interrupted by ${interrupt}`, { exitCode: interruptExitCode(interrupt) });
}

/** Exit code of a launcher that was made to end before its work was done. */
export function interruptExitCode(interrupt: Interrupt): number {
	return interrupt === "SIGTERM" ? EXIT.terminated : EXIT.interrupted;
}

/** Rejects with the reason when `signal` is aborted, and never resolves: for races. */
export function rejectOn(signal: AbortSignal): Promise<never> {
	const { promise, reject } = Promise.withResolvers<never>();
	if (signal.aborted) reject(signal.reason);
	else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
	// Whoever races it handles it; nobody else has to.
	promise.catch(() => {});
	return promise;
}
