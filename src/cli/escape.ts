/** Finds ssh(1)'s escape at the beginning of a line: `~.` lets go of the connection, `~~` is one tilde. Pure. */

const TILDE = 0x7e;
const DOT = 0x2e;
const NEWLINES = new Set([0x0a, 0x0d]);

export class EscapeFilter {
	#state: "line start" | "tilde" | "in line" = "line start";

	/** What of `bytes` goes to the guest, and whether the user wants to be let go. */
	push(bytes: Uint8Array): { readonly pass: Buffer; readonly disconnect: boolean } {
		const pass: number[] = [];
		for (const byte of bytes) {
			if (this.#state === "tilde") {
				if (byte === DOT) return { pass: Buffer.from(pass), disconnect: true };
				// The tilde was held back until it was clear what it meant.
				pass.push(TILDE);
				this.#state = "in line";
				if (byte === TILDE) continue;
			} else if (this.#state === "line start" && byte === TILDE) {
				this.#state = "tilde";
				continue;
			}
			pass.push(byte);
			this.#state = NEWLINES.has(byte) ? "line start" : "in line";
		}
		return { pass: Buffer.from(pass), disconnect: false };
	}
}
