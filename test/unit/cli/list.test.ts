import { expect, test } from "bun:test";
import fc from "fast-check";
import { duration } from "../../../src/cli/list.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

test.each([
	[0, "0s"],
	[999, "0s"],
	[SECOND, "1s"],
	[MINUTE - 1, "59s"],
	[MINUTE, "1m 0s"],
	[5 * MINUTE + 3 * SECOND, "5m 3s"],
	[HOUR - 1, "59m 59s"],
	[HOUR, "1h 0m"],
	[2 * HOUR + 10 * MINUTE + 59 * SECOND, "2h 10m"],
	[DAY - 1, "23h 59m"],
	[DAY, "1d 0h"],
	[3 * DAY + 4 * HOUR, "3d 4h"],
	[400 * DAY, "400d 0h"],
	// The clock was set back.
	[-5 * SECOND, "0s"],
])("%d ms: %s", (milliseconds, text) => {
	expect(duration(milliseconds)).toBe(text);
});

test("it is off by less than its smaller unit", () => {
	const unit: Readonly<Record<string, number>> = { s: SECOND, m: MINUTE, h: HOUR, d: DAY };
	fc.assert(
		fc.property(fc.nat(1000 * DAY), (milliseconds) => {
			const parts = duration(milliseconds).split(" ");
			const shown = parts.reduce(
				(sum, part) => sum + Number.parseInt(part, 10) * (unit[part.slice(-1)] ?? Number.NaN),
				0,
			);
			const smallest = unit[parts.at(-1)?.slice(-1) ?? ""] ?? Number.NaN;
			expect(milliseconds - shown).toBeWithin(0, smallest);
		}),
	);
});
