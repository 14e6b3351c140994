/** Small pieces that come at once, as fewer and larger ones: an SSH packet costs about the same whatever it carries. */

/** What fits OpenSSH's largest packet. */
const PIECE_BYTES = 32 * 1024;

/** Names of this type differ between the type libraries. */
type Read = { readonly done: boolean; readonly value?: Uint8Array | undefined };

/**
 * The stream's bytes in order. What is there within one turn of the loop is gathered up to 32 KiB; nothing is held back to wait for more.
 * The stream is cancelled when the reader stops early.
 */
export async function* gathered(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
	const reader = stream.getReader();
	try {
		let next = read(reader);
		for (;;) {
			const { value: first } = await next;
			if (!first) return;
			const pieces = [first];
			let length = first.length;
			next = read(reader);
			while (length < PIECE_BYTES) {
				// The end is seen by the next round, whose read it is.
				const more = await soon(next);
				if (!more?.value) break;
				pieces.push(more.value);
				length += more.value.length;
				next = read(reader);
			}
			yield pieces.length === 1 ? first : Buffer.concat(pieces, length);
		}
	} finally {
		reader.cancel().catch(() => {});
	}
}

/** An error is the next reader's; until then nobody waits for it, and it must not count as unhandled. */
function read(reader: { read(): Promise<Read> }): Promise<Read> {
	const next = reader.read();
	next.catch(() => {});
	return next;
}

/** What `read` gives within one turn of the event loop, else null. */
function soon(read: Promise<Read>): Promise<Read | null> {
	return Promise.race([read, new Promise<null>((resolve) => setImmediate(resolve, null))]);
}
