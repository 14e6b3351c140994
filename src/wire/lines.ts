/** Splits a byte stream into lines with a bound on their length, so that a peer cannot grow our memory. */
export class LineSplitter {
	#pending = "";
	#skipping = false;
	readonly #decoder = new TextDecoder();
	readonly #maxChars: number;

	/** Lines longer than `maxChars` characters are dropped whole. */
	constructor(maxChars: number) {
		this.#maxChars = maxChars;
	}

	/** The complete lines that `chunk` finishes, without their newline. */
	push(chunk: Uint8Array): string[] {
		const parts = this.#decoder.decode(chunk, { stream: true }).split("\n");
		const rest = parts.pop() ?? "";
		const lines: string[] = [];
		for (const part of parts) {
			const line = this.#pending + part;
			this.#pending = "";
			if (!this.#skipping && line.length <= this.#maxChars) lines.push(line);
			this.#skipping = false;
		}
		if (this.#skipping) return lines;
		this.#pending += rest;
		if (this.#pending.length > this.#maxChars) {
			this.#pending = "";
			this.#skipping = true;
		}
		return lines;
	}
}

/** Calls `deliver` with the first line that `stream` brings; lines longer than `maxChars` characters do not count. */
export function onFirstLine(
	stream: { on(event: "data", listener: (bytes: Uint8Array) => void): unknown },
	maxChars: number,
	deliver: (line: string) => void,
): void {
	const lines = new LineSplitter(maxChars);
	let delivered = false;
	stream.on("data", (bytes) => {
		const [line] = lines.push(bytes);
		if (line === undefined || delivered) return;
		delivered = true;
		deliver(line);
	});
}
