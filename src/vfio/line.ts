/** The helper's end of its line to the launcher: words come in on stdin, messages go out on stdout. */
import { LineSplitter } from "../wire/lines.ts";
import type { Message } from "./messages.ts";

export interface Line {
	/** Never throws: with nobody to read it, the work goes on all the same. */
	say(message: Message): void;
	/** The next word; null when there will be none. */
	next(): Promise<string | null>;
}

/** The words of the launcher are short. */
const WORD_CHARS_MAX = 64;

export class StreamLine implements Line {
	readonly #write: (text: string) => void;
	readonly #words: string[] = [];
	#ended = false;
	#arrived = Promise.withResolvers<void>();

	/** @param ending aborted when nobody should wait any longer (SIGTERM) */
	constructor(input: NodeJS.ReadableStream, write: (text: string) => void, ending: AbortSignal) {
		this.#write = write;
		const splitter = new LineSplitter(WORD_CHARS_MAX);
		input.on("data", (bytes: Uint8Array) => {
			this.#words.push(...splitter.push(bytes));
			this.#wake();
		});
		const end = () => {
			this.#ended = true;
			this.#wake();
		};
		for (const event of ["end", "close", "error"]) input.on(event, end);
		ending.addEventListener("abort", end, { once: true });
		if (ending.aborted) end();
	}

	say(message: Message): void {
		try {
			this.#write(`${JSON.stringify(message)}\n`);
		} catch {
			// EPIPE: the launcher was killed.
		}
	}

	async next(): Promise<string | null> {
		for (;;) {
			// The end comes first: a word from somebody who is dead by now counts no more.
			if (this.#ended) return null;
			const word = this.#words.shift();
			if (word !== undefined) return word;
			await this.#arrived.promise;
		}
	}

	#wake(): void {
		this.#arrived.resolve();
		this.#arrived = Promise.withResolvers();
	}
}
