/** Ctrl+C and friends as something that can be waited for, so that no handler has to know what is going on. */

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
export type Interrupt = (typeof SIGNALS)[number];

export class Interrupts implements Disposable {
	#waiting: PromiseWithResolvers<Interrupt> = Promise.withResolvers();
	#handlers = new Map<Interrupt, () => void>();
	/** The first one that came. */
	first: Interrupt | null = null;

	constructor() {
		for (const signal of SIGNALS) {
			const handler = () => this.#received(signal);
			this.#handlers.set(signal, handler);
			process.on(signal, handler);
		}
	}

	#received(signal: Interrupt): void {
		this.first ??= signal;
		const waiting = this.#waiting;
		this.#waiting = Promise.withResolvers();
		waiting.resolve(signal);
	}

	/** Resolves at the next signal; those that came before do not count. */
	next(): Promise<Interrupt> {
		return this.#waiting.promise;
	}

	[Symbol.dispose](): void {
		for (const [signal, handler] of this.#handlers) process.off(signal, handler);
	}
}
