/** Differences of two texts as `diff -u` writes them. Pure. */

const CONTEXT = 3;
/** Beyond that many edits all of the middle is shown as replaced: the search takes time and memory by their square. */
const EDITS_MAX = 1500;

/** Lines with their newline; the last one may have none. */
export function splitLines(text: string): string[] {
	return text === "" ? [] : text.split(/(?<=\n)/);
}

interface Edit {
	readonly kind: " " | "-" | "+";
	readonly line: string;
}

/** The hunks, empty where both are the same. */
export function unifiedHunks(before: string, after: string): string {
	const [a, b] = [splitLines(before), splitLines(after)];
	let from = 0;
	while (from < a.length && from < b.length && a[from] === b[from]) from++;
	let tail = 0;
	while (tail < a.length - from && tail < b.length - from && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
	const same = (lines: readonly string[]): Edit[] => lines.map((line) => ({ kind: " ", line }));
	const edits = [
		...same(a.slice(0, from)),
		...middle(a.slice(from, a.length - tail), b.slice(from, b.length - tail)),
		...same(a.slice(a.length - tail)),
	];
	return hunks(edits);
}

/** Myers' greedy search for the shortest way from one to the other (1986). */
function middle(a: readonly string[], b: readonly string[]): Edit[] {
	const replaced = (): Edit[] => [
		...a.map((line): Edit => ({ kind: "-", line })),
		...b.map((line): Edit => ({ kind: "+", line })),
	];
	if (a.length === 0 || b.length === 0) return replaced();
	const trace: Int32Array[] = [];
	const max = Math.min(EDITS_MAX, a.length + b.length);
	let furthest = new Int32Array([0]);
	for (let d = 0; d <= max; d++) {
		const next = new Int32Array(2 * d + 1);
		for (let k = -d; k <= d; k += 2) {
			const left = k > -d ? (furthest[k - 1 + d - 1] ?? -1) : -1;
			const right = k < d ? (furthest[k + 1 + d - 1] ?? -1) : -1;
			let x = d === 0 ? 0 : isDown(k, d, left, right) ? right : left + 1;
			while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
			next[k + d] = x;
			if (x >= a.length && x - k >= b.length) {
				trace.push(next);
				return wayBack(a, b, trace);
			}
		}
		trace.push(next);
		furthest = next;
	}
	return replaced();
}

/** Whether the furthest way to diagonal `k` comes by an inserted line. */
function isDown(k: number, d: number, left: number, right: number): boolean {
	return k === -d || (k !== d && left < right);
}

function wayBack(a: readonly string[], b: readonly string[], trace: readonly Int32Array[]): Edit[] {
	const edits: Edit[] = [];
	let [x, y] = [a.length, b.length];
	for (let d = trace.length - 1; d > 0; d--) {
		const furthest = trace[d - 1] ?? new Int32Array(1);
		const k = x - y;
		const left = k > -d ? (furthest[k - 1 + d - 1] ?? -1) : -1;
		const right = k < d ? (furthest[k + 1 + d - 1] ?? -1) : -1;
		const down = isDown(k, d, left, right);
		const startX = down ? right : left;
		const startY = startX - (down ? k + 1 : k - 1);
		while (x > startX + (down ? 0 : 1) && y > startY + (down ? 1 : 0)) {
			edits.push({ kind: " ", line: a[--x] ?? "" });
			y--;
		}
		if (down) edits.push({ kind: "+", line: b[--y] ?? "" });
		else edits.push({ kind: "-", line: a[--x] ?? "" });
	}
	while (x > 0) {
		edits.push({ kind: " ", line: a[--x] ?? "" });
		y--;
	}
	return edits.reverse();
}

function hunks(edits: readonly Edit[]): string {
	let text = "";
	let [lineA, lineB] = [1, 1];
	let at = 0;
	const count = (part: readonly Edit[], kinds: string) => part.filter(({ kind }) => kinds.includes(kind)).length;
	while (at < edits.length) {
		const first = edits.findIndex(({ kind }, i) => i >= at && kind !== " ");
		if (first < 0) break;
		const from = Math.max(at, first - CONTEXT);
		const to = endOfHunk(edits, first);
		lineA += count(edits.slice(at, from), " -");
		lineB += count(edits.slice(at, from), " +");
		const part = edits.slice(from, to);
		const [lengthA, lengthB] = [count(part, " -"), count(part, " +")];
		// An empty side stands for the line before it.
		text += `@@ -${lengthA ? lineA : lineA - 1},${lengthA} +${lengthB ? lineB : lineB - 1},${lengthB} @@\n`;
		for (const { kind, line } of part)
			text += `${kind}${line}${line.endsWith("\n") ? "" : "\n\\ No newline at end of file\n"}`;
		lineA += lengthA;
		lineB += lengthB;
		at = to;
	}
	return text;
}

/** Behind the last change that is near enough to the one before, and its context. */
function endOfHunk(edits: readonly Edit[], first: number): number {
	let last = first;
	for (let i = first + 1; i < edits.length && i - last <= 2 * CONTEXT; i++) if (edits[i]?.kind !== " ") last = i;
	return Math.min(edits.length, last + 1 + CONTEXT);
}
