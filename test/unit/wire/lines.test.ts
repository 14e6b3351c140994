/** Everything here reads bytes that a guest wrote: any bytes, cut anywhere. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodeEvent } from "../../../src/wire/event-schema.ts";
import { encodeEvent, type GuestEvent } from "../../../src/wire/events.ts";
import { LineSplitter } from "../../../src/wire/lines.ts";

function feed(splitter: LineSplitter, bytes: Uint8Array, cuts: readonly number[]): string[] {
	const lines: string[] = [];
	let from = 0;
	for (const cut of [...cuts.map((each) => each % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
		lines.push(...splitter.push(bytes.subarray(from, cut)));
		from = Math.max(from, cut);
	}
	return lines;
}

test("lines come out whole, however the stream is cut", () => {
	fc.assert(
		fc.property(fc.array(fc.string({ unit: "grapheme", maxLength: 40 })), fc.array(fc.nat()), (texts, cuts) => {
			const lines = texts.map((text) => text.replaceAll("\n", " "));
			const bytes = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""));
			expect(feed(new LineSplitter(1000), bytes, cuts)).toEqual(lines);
		}),
	);
});

test("a line that is too long is dropped whole, and the next one is read", () => {
	fc.assert(
		fc.property(fc.integer({ min: 11, max: 500 }), fc.array(fc.nat()), (length, cuts) => {
			const bytes = new TextEncoder().encode(`a\n${"x".repeat(length)}\nb\n`);
			expect(feed(new LineSplitter(10), bytes, cuts)).toEqual(["a", "b"]);
		}),
	);
});

test("arbitrary bytes never throw and never yield a line beyond the bound", () => {
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 2000 }), fc.array(fc.nat()), (bytes, cuts) => {
			for (const line of feed(new LineSplitter(64), bytes, cuts)) expect(line.length).toBeLessThanOrEqual(64);
		}),
	);
});

test("events survive the round trip; anything else is no event", () => {
	const event: GuestEvent = {
		event: "session-ended",
		result: "success",
		status: "exited 0",
		terminalWasUp: true,
		log: "a\nb",
	};
	expect(decodeEvent(encodeEvent(event).trimEnd())).toEqual(event);
	expect(decodeEvent('{"event":"initramfs"}')).toEqual({ event: "initramfs" });
	fc.assert(
		fc.property(fc.oneof(fc.string(), fc.json()), (line) => {
			const decoded = decodeEvent(line);
			expect(decoded === null || typeof decoded.event === "string").toBe(true);
		}),
	);
	expect(decodeEvent('{"event":"session-ended"}')).toBeNull();
	expect(decodeEvent(JSON.stringify({ ...event, log: "x".repeat(100_000) }))).toBeNull();
});
