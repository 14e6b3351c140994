/** Stands between QEMU's network card and passt: lets the guest's frames through that the policy allows, and everything back. */
import type { Duplex } from "node:stream";
import { judgeFrame, type Policy } from "../filter/frame.ts";
import { FrameStream, PREFIX_BYTES, withPrefix } from "../filter/frames.ts";
import { refusalFor } from "../filter/refusal.ts";

export interface FilterCounts {
	passed: number;
	refused: number;
	dropped: number;
}

/**
 * Runs until one side closes. Memory is bounded: a side that does not read stops the other from being read.
 *
 * @param policy asked again for each frame: the host's addresses change
 * @throws FrameError if a side sends what is no frame
 */
export async function filterFrames(guest: Duplex, outside: Duplex, policy: () => Policy): Promise<FilterCounts> {
	const counts: FilterCounts = { passed: 0, refused: 0, dropped: 0 };
	const fromGuest = new FrameStream();
	const fromOutside = new FrameStream();
	const { promise: failed, reject } = Promise.withResolvers<never>();
	connect(guest, outside, reject, (chunk) => {
		const kept = new KeptRuns();
		const run = fromGuest.push(chunk, (bytes, at, length) => {
			const verdict = judgeFrame(policy(), bytes, at, length);
			if (verdict === "pass") {
				counts.passed++;
				return;
			}
			kept.skip(at - PREFIX_BYTES, at + length);
			if (verdict === "drop") counts.dropped++;
			else counts.refused++;
			// The guest's own doing: where it reads nothing, it is told nothing.
			if (verdict === "refuse" && !guest.writableNeedDrain) guest.write(withPrefix(refusalFor(bytes, at, length)));
		});
		return kept.of(run);
	});
	// What comes back is passt's, whole frames only, so that a refusal never stands in the middle of one.
	connect(outside, guest, reject, (chunk) => [fromOutside.push(chunk, () => {})]);
	const closed = (stream: Duplex) => new Promise<void>((resolve) => stream.once("close", resolve).once("end", resolve));
	try {
		await Promise.race([closed(guest), closed(outside), failed]);
	} finally {
		guest.destroy();
		outside.destroy();
	}
	return counts;
}

/** What is left of a run of frames when some are taken out. */
class KeptRuns {
	readonly #gaps: [number, number][] = [];

	skip(from: number, to: number): void {
		const last = this.#gaps.at(-1);
		if (last?.[1] === from) last[1] = to;
		else this.#gaps.push([from, to]);
	}

	of(run: Uint8Array): Uint8Array[] {
		const pieces: Uint8Array[] = [];
		let at = 0;
		for (const [from, to] of this.#gaps) {
			pieces.push(run.subarray(at, from));
			at = to;
		}
		pieces.push(run.subarray(at));
		return pieces;
	}
}

/** Writes what `take` makes of each chunk to the other side, at that side's pace. */
function connect(
	from: Duplex,
	to: Duplex,
	fail: (error: unknown) => void,
	take: (chunk: Uint8Array) => readonly Uint8Array[],
): void {
	from.on("data", (chunk: Uint8Array) => {
		try {
			for (const piece of take(chunk)) if (piece.length > 0) to.write(piece);
		} catch (error) {
			fail(error);
			return;
		}
		if (!to.writableNeedDrain) return;
		from.pause();
		to.once("drain", () => from.resume());
	});
	// It was paused while passt was greeted.
	from.resume();
}
