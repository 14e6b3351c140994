/** What becomes of the changes of a work copy: shown, then applied, saved as a patch, discarded, or kept for later. */
import { closeSync, createReadStream, fsyncSync, linkSync, openSync, rmSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { EXIT, Fault, printable, reason } from "../errors.ts";
import { type Applied, applyChanges } from "../files/work/apply.ts";
import { type Changes, type Refusal, readChanges } from "../files/work/changes.ts";
import { type Listed, listChanges, patchPieces } from "../files/work/present.ts";
import type { Work } from "../files/work/store.ts";
import { checkPatchFile, type OnExit } from "./on-exit.ts";
import { printError } from "./output.ts";
import { stripControls } from "./terminal-text.ts";

const TERMINAL = process.platform === "win32" ? "\\\\.\\CON" : "/dev/tty";
/** Of a list that a person reads. */
const SHOWN_MAX = 60;
/** Of a difference on a terminal. */
const DIFF_CHARS_MAX = 200_000;

/** Whether they are dealt with; if not, they are kept and the user was told where. @throws Fault */
export async function decideWork(work: Work, onExit: OnExit | null): Promise<boolean> {
	const changes = readChanges(work.changes);
	const listed = listChanges(changes, work.record.folder);
	if (listed.length === 0 && changes.refused.length === 0) {
		work.remove();
		return true;
	}
	say(describeChanges(work, changes, listed));
	if (onExit) return carryOut(work, changes, onExit);
	if (!process.stdin.isTTY || !process.stderr.isTTY) {
		tellKept(work);
		return true;
	}
	return await askAndCarryOut(work, changes);
}

export function tellKept(work: Work): void {
	say(`the changes in the copy of ${work.record.folder} are kept: virtualghost work recover ${work.id}`);
}

function say(text: string): void {
	printError(`virtualghost: ${stripControls(text)}\n`);
}

/** A path from the guest on one line. */
function shown(path: string): string {
	return printable(Buffer.from(path, "latin1").toString("utf8"));
}

function describeChanges({ record }: Work, { refused }: Changes, listed: readonly Listed[]): string {
	const bytes = listed.reduce((sum, each) => sum + (each.bytes ?? 0), 0);
	const lines = [
		`changed in the copy of ${record.folder}: ${count(listed.length, "entry", "entries")}, ${size(bytes)}`,
	];
	for (const each of listed.slice(0, SHOWN_MAX)) {
		const note = each.runsByItself ? "  (programs here run this by themselves: look at it first)" : "";
		const end = each.kind === "folder" ? "/" : each.bytes === null ? "" : `  ${size(each.bytes)}`;
		lines.push(`  ${each.sign}  ${shown(each.path)}${end}${note}`);
	}
	// Those must not hide behind many others.
	const hidden = listed.slice(SHOWN_MAX).filter((each) => each.runsByItself);
	if (listed.length > SHOWN_MAX) lines.push(`  … and ${listed.length - SHOWN_MAX} more`);
	for (const each of hidden.slice(0, SHOWN_MAX)) {
		lines.push(`  ${each.sign}  ${shown(each.path)}  (programs here run this by themselves: look at it first)`);
	}
	lines.push(...describeRefusals("refused", refused));
	return lines.join("\n");
}

function describeRefusals(what: string, refusals: readonly Refusal[]): string[] {
	const lines = refusals.slice(0, SHOWN_MAX).map(({ path, why }) => `  ${what}: ${shown(path)} (${printable(why)})`);
	if (refusals.length > SHOWN_MAX) lines.push(`  … and ${refusals.length - SHOWN_MAX} more`);
	return lines;
}

function count(number: number, one: string, many: string): string {
	return `${number} ${number === 1 ? one : many}`;
}

function size(bytes: number): string {
	if (bytes < 1000) return `${bytes} B`;
	const units = ["kB", "MB", "GB", "TB"];
	const power = Math.min(units.length, Math.floor(Math.log10(bytes) / 3));
	return `${(bytes / 1000 ** power).toFixed(1)} ${units[power - 1]}`;
}

async function askAndCarryOut(work: Work, changes: Changes): Promise<boolean> {
	// The terminal itself: standard input may have been the command's.
	const input = createReadStream(TERMINAL);
	const lines = createInterface({ input, output: process.stderr });
	// A question that is pending then would stay so.
	const closed = new Promise<never>((_, reject) => {
		for (const each of [lines, input])
			each.on(each === lines ? "close" : "error", () => reject(new Error("no answer")));
	});
	closed.catch(() => {});
	const ask = (question: string) => Promise.race([lines.question(question), closed]);
	try {
		for (;;) {
			const answer = (await ask("apply, save as patch, discard, show the difference, or keep for later? [a/p/d/s/K] "))
				.trim()
				.toLowerCase();
			switch (answer[0] ?? "k") {
				case "a":
					return carryOut(work, changes, { kind: "apply" });
				case "p": {
					const file = resolve((await ask("file: ")).trim() || `${work.id}.patch`);
					try {
						checkPatchFile(file);
					} catch (error) {
						say(reason(error));
						break;
					}
					return carryOut(work, changes, { kind: "patch", file });
				}
				case "d":
					return carryOut(work, changes, { kind: "discard" });
				case "s":
					showDifference(work, changes);
					break;
				case "k":
					tellKept(work);
					return true;
			}
		}
	} catch {
		// The terminal is gone, or Ctrl+C and Ctrl+D: nothing was said.
		tellKept(work);
		return true;
	} finally {
		lines.close();
		input.destroy();
	}
}

function showDifference(work: Work, changes: Changes): void {
	let left = DIFF_CHARS_MAX;
	for (const piece of patchPieces(changes, work.record.folder, work.changes)) {
		if (left <= 0) return say("the rest is not shown; save it as a patch to read all of it");
		const isBinary = piece.includes("\nGIT binary patch\n");
		const text = isBinary ? `${piece.slice(0, piece.indexOf("\nGIT binary patch\n"))}\nbinary\n` : piece;
		printError(stripControls(text.slice(0, left)));
		left -= text.length;
	}
}

function carryOut(work: Work, changes: Changes, action: OnExit): boolean {
	switch (action.kind) {
		case "discard":
			work.remove();
			say("discarded");
			return true;
		case "patch":
			writePatch(work, changes, action.file);
			work.remove();
			say(`saved as ${action.file}; git apply takes it`);
			return true;
		case "apply": {
			const { id, changes: stream, record } = work;
			const applied = applyChanges(changes.changes, { root: record.folder, stream, since: record.startedAt, id });
			return tellApplied(work, applied);
		}
	}
}

function tellApplied(work: Work, { done, conflicts, failed }: Applied): boolean {
	const lines = [`applied to ${work.record.folder}: ${count(done, "change", "changes")}`];
	lines.push(...describeRefusals("not applied", [...conflicts, ...failed]));
	say(lines.join("\n"));
	if (conflicts.length + failed.length > 0) {
		tellKept(work);
		return false;
	}
	work.remove();
	return true;
}

/** Whole or not at all. @throws Fault */
function writePatch(work: Work, changes: Changes, file: string): void {
	const temporary = `${file}.part-${process.pid}`;
	try {
		const fd = openSync(temporary, "wx", 0o600);
		try {
			for (const piece of patchPieces(changes, work.record.folder, work.changes)) writeSync(fd, piece);
			fsyncSync(fd);
		} finally {
			closeSync(fd);
		}
		linkSync(temporary, file);
	} catch (error) {
		tellKept(work);
		throw new Fault(`The patch ${file} could not be written`, {
			why: reason(error),
			exitCode: EXIT.failure,
			cause: error,
		});
	} finally {
		rmSync(temporary, { force: true });
	}
}
