/** Cuts a byte stream into frames, each behind its length in four bytes: QEMU's stream socket, which is passt's too. Pure. */

/** Longest frame that either side sends: 64 KiB and an Ethernet header. What is longer is no frame. */
export const FRAME_BYTES_MAX = 65_535 + 14;
export const PREFIX_BYTES = 4;

export class FrameError extends Error {
	override readonly name = "FrameError";
}

/** Emits runs of frames, prefixes included, without copying those that arrive whole. */
export class FrameStream {
	#rest: Uint8Array = new Uint8Array(0);

	/**
	 * Whole frames of what has arrived, in order: `visit` gets the buffer, the offset of the frame and its length.
	 *
	 * @returns the run of those frames as one piece, prefixes included
	 * @throws FrameError for a length that no frame has
	 */
	push(chunk: Uint8Array, visit: (bytes: Uint8Array, at: number, length: number) => void): Uint8Array {
		const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
		let at = 0;
		while (bytes.length - at >= PREFIX_BYTES) {
			const length = lengthAt(bytes, at);
			if (length > FRAME_BYTES_MAX) throw new FrameError(`a frame of ${length} bytes`);
			const end = at + PREFIX_BYTES + length;
			if (end > bytes.length) break;
			visit(bytes, at + PREFIX_BYTES, length);
			at = end;
		}
		this.#rest = bytes.subarray(at);
		return bytes.subarray(0, at);
	}
}

function lengthAt(bytes: Uint8Array, at: number): number {
	return new DataView(bytes.buffer, bytes.byteOffset + at, PREFIX_BYTES).getUint32(0);
}

export function withPrefix(frame: Uint8Array): Uint8Array {
	const bytes = new Uint8Array(PREFIX_BYTES + frame.length);
	new DataView(bytes.buffer).setUint32(0, frame.length);
	bytes.set(frame, PREFIX_BYTES);
	return bytes;
}
