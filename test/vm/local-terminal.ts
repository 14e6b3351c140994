/** A program on a terminal of this machine, as a person would use it. */

const PATIENCE_MS = 60_000;

export class LocalTerminal {
	/** All that the program has written. */
	screen = "";
	readonly #child: Bun.Subprocess;

	constructor(argv: readonly string[], env: Readonly<Record<string, string>>, size = { cols: 80, rows: 24 }) {
		this.#child = Bun.spawn([...argv], {
			env,
			terminal: {
				...size,
				data: (_terminal, bytes) => {
					this.screen += Buffer.from(bytes).toString();
				},
			},
		});
	}

	get pid(): number {
		return this.#child.pid;
	}

	get exited(): Promise<number> {
		return this.#child.exited;
	}

	type(text: string): void {
		this.#child.terminal?.write(text);
	}

	resize(cols: number, rows: number): void {
		this.#child.terminal?.resize(cols, rows);
	}

	/** Waits until `text` (or a match) is on the screen. @throws Error with the screen, after a minute */
	async shows(text: string | RegExp): Promise<void> {
		const end = Date.now() + PATIENCE_MS;
		while (typeof text === "string" ? !this.screen.includes(text) : !text.test(this.screen)) {
			if (Date.now() > end) throw new Error(`never showed ${String(text)}: ${JSON.stringify(this.screen)}`);
			await Bun.sleep(50);
		}
	}
}
