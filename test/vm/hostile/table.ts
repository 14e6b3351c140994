/** The tables of docs/security-probes.md: made of what was seen, and compared with what is there; `UPDATE_PROBES=1` writes them. */
import { expect } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const PROBES_PAGE = join(import.meta.dir, "../../../docs/security-probes.md");
export const REACHED = "**reached**";

/** `cells` gives a column's rows: what was tried, and whether it went through. @throws if the page differs */
export function checkTable<Column extends string>(
	name: string,
	columns: readonly Column[],
	cells: (column: Column) => readonly (readonly [string, boolean])[],
): void {
	const row = (each: readonly string[]) => `| ${each.join(" | ")} |`;
	const rows = columns.map((column) => cells(column));
	const table = [
		row(["The guest's root tries", ...columns.map((column) => (column === "default" ? "default" : `\`${column}\``))]),
		row(["---", ...columns.map(() => "---")]),
		...(rows[0] ?? []).map(([what], i) => row([what, ...rows.map((each) => (each[i]?.[1] ? REACHED : "–"))])),
	].join("\n");
	const text = readFileSync(PROBES_PAGE, "utf8");
	const [begin, end] = [`<!-- ${name} -->\n`, "\n<!-- end -->"];
	const from = text.indexOf(begin) + begin.length;
	const whole = text.slice(0, from) + table + text.slice(text.indexOf(end, from));
	if (process.env.UPDATE_PROBES) writeFileSync(PROBES_PAGE, whole);
	else expect(text).toBe(whole);
}
