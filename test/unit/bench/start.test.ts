/** What the start bench concludes from what it has seen. */
import { expect, test } from "bun:test";
import { type Frame, findPrompt, hasEcho, lineEnd } from "../../bench/start/prompt.ts";
import { judge, rowTable, summarize, verdictTable } from "../../bench/start/report.ts";

const WIDTH = 600;
const BACKGROUND = 0x282c34;
const GREEN = 0xb5bd68;

/** A screen with `chars` characters of the prompt's colour, 10 pixels wide each, from (20, 30), and white ones in some columns. */
function screen(chars: number, white: readonly number[], colour = GREEN): Frame {
	const pixels = new Uint32Array(WIDTH * 100).fill(BACKGROUND);
	for (let y = 30; y < 42; y++) {
		for (let cell = 0; cell < chars; cell++) {
			for (let x = 0; x < 2; x++) pixels[y * WIDTH + 20 + cell * 10 + x * 9] = colour;
		}
		for (const cell of white) pixels[y * WIDTH + 20 + cell * 10 + 9] = 0xffffff;
	}
	return { width: WIDTH, height: 100, pixels };
}

test("a prompt is found by its colour, rounded or not, and nothing else is", () => {
	const box = findPrompt(screen(18, []));
	expect(box).toEqual({ left: 20, right: 199, top: 30, bottom: 40, cell: 10 });
	expect(findPrompt(screen(18, [], 0xb7bb6a))).toEqual(box);
	expect(findPrompt(screen(18, [], 0xffffff))).toBeNull();
	expect(findPrompt(screen(18, [], 0x81a2be))).toBeNull();
	// Two characters are a prompt that is still being painted.
	expect(findPrompt(screen(2, []))).toBeNull();
});

test("typed letters are told from a cursor that blinks", () => {
	const box = findPrompt(screen(18, []));
	if (!box) throw new Error("no prompt");
	// `:~$`, then a blank, then what follows; the cursor stands behind it.
	const end = (...behind: number[]) => lineEnd(screen(18, [18, 19, 20, ...behind]), box);
	expect(hasEcho(end(), end(22), box)).toBe(false);
	expect(hasEcho(end(22), end(22), box)).toBe(false);
	expect(hasEcho(end(22), end(22, 23, 24, 25), box)).toBe(true);
	expect(hasEcho(end(), end(22, 23), box)).toBe(true);
});

test("medians, and ratios of them", () => {
	expect(summarize([])).toBeNull();
	expect(summarize([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3, rounds: 3 });
	expect(summarize([4, 1])?.median).toBe(2.5);
	const promised = [
		{ what: "kept", row: "a", over: "b", max: 0.5 },
		{ what: "broken", row: "b", over: "a", max: 1.9 },
		{ what: "alone", row: "a", over: null, max: 80 },
		{ what: "missing", row: "a", over: "c", max: 1 },
	];
	const verdicts = judge(promised, { a: [1, 9, 1], b: [2, 2, 2] });
	expect(verdicts.map(({ value, kept }) => [value, kept])).toEqual([
		[0.5, true],
		[2, false],
		[1, true],
		[null, null],
	]);
	expect(verdictTable(verdicts)).toContain("| broken | 2.000 | ≤ 1.9 | **broken** |");
	expect(rowTable({ a: "row a", c: "row c" }, { a: [1, 9, 1] })).toEqual([
		"| | median | min | max | rounds |",
		"|---|---|---|---|---|",
		"| row a | 1.00 | 1.00 | 9.00 | 3 |",
	]);
});
