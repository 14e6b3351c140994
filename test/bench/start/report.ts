/** Figures of a run of the start bench: what was promised, what came out, as a table and as JSON. Pure. */

/** Seconds by row, one a round. */
export type Figures = Readonly<Record<string, readonly number[]>>;

export interface Summary {
	readonly median: number;
	readonly min: number;
	readonly max: number;
	readonly rounds: number;
}

/** A ratio of two medians of the same run, or a figure alone. */
export interface Promised {
	readonly what: string;
	readonly row: string;
	/** Null: the bound is a figure, not a ratio. */
	readonly over: string | null;
	readonly max: number;
}

export interface Verdict extends Promised {
	/** Null where a row was not measured. */
	readonly value: number | null;
	readonly kept: boolean | null;
}

export function summarize(values: readonly number[]): Summary | null {
	if (values.length === 0) return null;
	const sorted = values.toSorted((a, b) => a - b);
	const at = (index: number) => sorted[index] ?? Number.NaN;
	const middle = (sorted.length - 1) / 2;
	return {
		median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
		min: at(0),
		max: at(sorted.length - 1),
		rounds: sorted.length,
	};
}

export function judge(promised: readonly Promised[], figures: Figures): Verdict[] {
	return promised.map((each) => {
		const row = summarize(figures[each.row] ?? []);
		const over = each.over === null ? null : summarize(figures[each.over] ?? []);
		if (!row || (each.over !== null && !over)) return { ...each, value: null, kept: null };
		const value = over ? row.median / over.median : row.median;
		return { ...each, value, kept: value <= each.max };
	});
}

/** Rows as Markdown, so that they can go into the docs as they are. */
export function rowTable(names: Readonly<Record<string, string>>, figures: Figures, digits = 2): string[] {
	const lines = ["| | median | min | max | rounds |", "|---|---|---|---|---|"];
	for (const [row, name] of Object.entries(names)) {
		const summary = summarize(figures[row] ?? []);
		if (!summary) continue;
		const [median, min, max] = [summary.median, summary.min, summary.max].map((value) => value.toFixed(digits));
		lines.push(`| ${name} | ${median} | ${min} | ${max} | ${summary.rounds} |`);
	}
	return lines;
}

export function verdictTable(verdicts: readonly Verdict[]): string[] {
	const lines = ["| | measured | promised | |", "|---|---|---|---|"];
	for (const { what, value, max, kept } of verdicts) {
		const words = kept === null ? "not measured" : kept ? "kept" : "**broken**";
		lines.push(`| ${what} | ${value === null ? "–" : value.toFixed(value < 10 ? 3 : 1)} | ≤ ${max} | ${words} |`);
	}
	return lines;
}
