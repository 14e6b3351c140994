/**
 * What is wrong with a configuration, and how it is said.
 *
 * Values and names come from files and variables that others may have written, so every one of them is made printable
 * here: no control character of theirs reaches the terminal.
 */
import { EXIT, Fault, printable } from "../errors.ts";

/** Counted from 1. Columns are UTF-16 units, as in smol-toml and in most editors. */
export interface Position {
	readonly line: number;
	readonly column: number;
}

export type ProblemSource =
	| { readonly kind: "file"; readonly path: string; readonly position: Position | null }
	| { readonly kind: "env"; readonly name: string }
	| { readonly kind: "flag"; readonly flag: string };

export interface Problem {
	readonly source: ProblemSource;
	/** Key path in the file (`vm.memory`), null where the problem is with the file or the variable as a whole. */
	readonly key: string | null;
	readonly message: string;
	/** What was probably meant, as it would be written. */
	readonly suggestion?: string | undefined;
	/** Lines of the file around the problem, shown indented below it. */
	readonly excerpt?: string | undefined;
}

/** A file of another kind, read as TOML, can be wrong a hundred thousand times; more lines than this help nobody. */
export const PROBLEMS_SHOWN_MAX = 100;

/** Characters of a value that are repeated in a message. */
const QUOTED_CHARS_MAX = 60;

/** The text in double quotes, printable and not too long. */
export function quoted(text: string): string {
	const chars = text.length > QUOTED_CHARS_MAX ? `${text.slice(0, QUOTED_CHARS_MAX).toWellFormed()}…` : text;
	return `"${printable(chars)}"`;
}

export function formatProblem(problem: Problem): string {
	const key = problem.key === null ? "" : `${printable(problem.key)}: `;
	const hint = problem.suggestion === undefined ? "" : ` (did you mean ${problem.suggestion}?)`;
	const line = `${formatSource(problem.source)}: ${key}${problem.message}${hint}`;
	if (problem.excerpt === undefined) return line;
	const excerpt = problem.excerpt.trimEnd().split("\n");
	return [line, ...excerpt.map((text) => `    ${printable(text)}`)].join("\n");
}

function formatSource(source: ProblemSource): string {
	switch (source.kind) {
		case "file": {
			const at = source.position === null ? "" : `:${source.position.line}:${source.position.column}`;
			return `${printable(source.path)}${at}`;
		}
		case "env":
			return printable(source.name);
		case "flag":
			return `--${source.flag}`;
	}
}

/** One fault that lists all problems, one a line. */
export function configFault(problems: readonly Problem[]): Fault {
	const lines = problems.slice(0, PROBLEMS_SHOWN_MAX).map(formatProblem);
	const more = problems.length - lines.length;
	if (more > 0) lines.push(`… and ${more} more`);
	return new Fault(lines.join("\n"), { exitCode: EXIT.usage });
}

/** Longer names than this are no typing errors, and the distance costs the product of both lengths. */
const SUGGESTION_CHARS_MAX = 64;

/** The candidate that is probably meant: at most a third of it differs, upper and lower case aside. */
export function closest(name: string, candidates: readonly string[]): string | undefined {
	if (name.length > SUGGESTION_CHARS_MAX) return undefined;
	let best: { candidate: string; distance: number } | undefined;
	for (const candidate of candidates) {
		const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
		const allowed = Math.max(1, Math.floor(candidate.length / 3));
		if (distance <= allowed && distance < (best?.distance ?? Number.POSITIVE_INFINITY)) best = { candidate, distance };
	}
	return best?.candidate;
}

/**
 * How many insertions, deletions, replacements and swaps of neighbours turn one text into the other (optimal string
 * alignment). Swaps count once because they are what fingers do.
 */
export function editDistance(a: string, b: string): number {
	let beforeLast: number[] = [];
	let last = Array.from({ length: b.length + 1 }, (_, j) => j);
	for (let i = 1; i <= a.length; i++) {
		const row = [i];
		for (let j = 1; j <= b.length; j++) {
			const replace = at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
			let cost = Math.min(replace, at(last, j) + 1, at(row, j - 1) + 1);
			const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
			if (swapped) cost = Math.min(cost, at(beforeLast, j - 2) + 1);
			row.push(cost);
		}
		beforeLast = last;
		last = row;
	}
	return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
	return row[index] ?? Number.POSITIVE_INFINITY;
}
