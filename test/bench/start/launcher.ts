/** A program of a row: started, timed from the moment before, its lines noted with the second at which they came. */

/** A start that takes longer has failed; the slowest peer takes a minute and a half on two cores. */
export const ROW_TIMEOUT_MS = 240_000;

interface Line {
	readonly text: string;
	/** Since the start. */
	readonly seconds: number;
}

export class Timed implements AsyncDisposable {
	readonly pid: number;
	readonly exited: Promise<number>;
	/** Aborted when the program ends, or has run for too long: whoever waits for its moments waits no more. */
	readonly signal: AbortSignal;
	readonly lines: Line[] = [];
	readonly #from = performance.now();
	readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
	readonly #waiting = new Set<() => void>();

	constructor(argv: readonly string[], options: { env: Readonly<Record<string, string>>; cwd?: string }) {
		const { env, cwd } = options;
		this.#child = Bun.spawn([...argv], {
			env: { ...env },
			...(cwd === undefined ? {} : { cwd }),
			stdin: "ignore",
			stdout: "pipe",
			stderr: "pipe",
		});
		this.pid = this.#child.pid;
		const ended = new AbortController();
		this.signal = AbortSignal.any([ended.signal, AbortSignal.timeout(ROW_TIMEOUT_MS)]);
		const outputs = Promise.all([this.#collect(this.#child.stdout), this.#collect(this.#child.stderr)]);
		this.exited = this.#child.exited.then(async (code) => {
			await outputs;
			ended.abort(new Error(`${argv[0]} ended with ${code}:\n${this.tail()}`));
			return code;
		});
	}

	/** Since the start. */
	get seconds(): number {
		return (performance.now() - this.#from) / 1000;
	}

	/** The second at which a line that holds `text` came. @throws Error if the program ends without */
	async says(text: string | RegExp): Promise<number> {
		const isIt = (line: Line) => (typeof text === "string" ? line.text.includes(text) : text.test(line.text));
		for (;;) {
			const found = this.lines.find(isIt);
			if (found) return found.seconds;
			this.signal.throwIfAborted();
			await new Promise<void>((resolve) => {
				this.#waiting.add(resolve);
				this.signal.addEventListener("abort", () => resolve(), { once: true });
			});
		}
	}

	/** To its end. @throws Error unless it ends with 0 */
	async finish(): Promise<number> {
		const timeout = new Promise<never>((_, reject) => {
			this.signal.addEventListener("abort", () => reject(this.signal.reason as Error), { once: true });
		});
		timeout.catch(() => {});
		const code = await Promise.race([this.#child.exited, timeout]);
		const { seconds } = this;
		if (code !== 0) throw new Error(`ended with ${code}:\n${this.tail()}`);
		await this.exited;
		return seconds;
	}

	tail(): string {
		return this.lines
			.map(({ text }) => text)
			.slice(-30)
			.join("\n");
	}

	kill(signal: NodeJS.Signals): void {
		this.#child.kill(signal);
	}

	async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
		const decoder = new TextDecoder();
		let rest = "";
		for await (const chunk of stream) {
			const { seconds } = this;
			const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r?\n/);
			rest = lines.pop() ?? "";
			for (const text of lines) this.lines.push({ text, seconds });
			for (const wake of this.#waiting) wake();
			this.#waiting.clear();
		}
		if (rest !== "") this.lines.push({ text: rest, seconds: this.seconds });
	}

	async [Symbol.asyncDispose](): Promise<void> {
		if (this.#child.exitCode === null) this.kill("SIGKILL");
		await this.exited;
	}
}
