/** `virtualghost logs [NAME]`: what launcher, guest console and QEMU have written, of a running machine or of the last run. */
import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EXIT, Fault } from "../errors.ts";
import { LOG_FILE, latestRun } from "../vm/logs.ts";
import { findInstance, runningInstances } from "../vm/registry.ts";
import type { Context } from "./context.ts";
import { print } from "./output.ts";
import { LineStripper } from "./terminal-text.ts";

export const LOG_NAMES = Object.keys(LOG_FILE) as (keyof typeof LOG_FILE)[];

export interface LogsFlags {
	readonly name: string | undefined;
	readonly follow: boolean;
	/** One of `LOG_FILE`, or all of them. */
	readonly only: string | undefined;
}

const LOOK_AGAIN_MS = 200;
const CHUNK_BYTES = 64 * 1024;

export async function logs(context: Context, flags: LogsFlags): Promise<number> {
	const folder = findLogs(context, flags.name);
	const names = LOG_NAMES.filter((name) => flags.only === undefined || name === flags.only);
	const tails = names.map((name) => new Tail(join(folder, LOG_FILE[name])));
	const printer = new LogPrinter(names.length > 1);
	for (;;) {
		const living = isLiving(context, folder);
		for (const tail of tails) for (const text of tail.read()) printer.print(tail.path, text);
		if (!flags.follow || !living) break;
		await sleep(LOOK_AGAIN_MS);
	}
	printer.finish();
	for (const tail of tails) tail.close();
	return EXIT.ok;
}

/** A running machine's, else those of the latest run (of that name). */
function findLogs(context: Context, name: string | undefined): string {
	const { runtime, state } = context.directories;
	const running = runningInstances(runtime).filter(({ record }) => name === undefined || record.name === name);
	if (running.length > 1) findInstance(runtime, name);
	const folder = running[0]?.record.logs ?? latestRun(state, name);
	if (folder !== null) return folder;
	throw new Fault(name === undefined ? "There are no logs yet" : `There are no logs of a machine named ${name}`, {
		fix: "`virtualghost list` shows what runs",
	});
}

function isLiving(context: Context, folder: string): boolean {
	return runningInstances(context.directories.runtime).some(({ record }) => record.logs === folder);
}

/** With more than one file, a headline wherever it changes, as tail(1) prints it. The guest's bytes lose their control sequences. */
class LogPrinter {
	readonly #headlines: boolean;
	#last: string | null = null;
	readonly #strippers = new Map<string, LineStripper>();

	constructor(headlines: boolean) {
		this.#headlines = headlines;
	}

	print(path: string, text: string): void {
		const stripper = this.#strippers.get(path) ?? new LineStripper();
		this.#strippers.set(path, stripper);
		this.#put(path, stripper.push(text));
	}

	/** Last lines without their newline. */
	finish(): void {
		for (const [path, stripper] of this.#strippers) {
			const rest = stripper.flush();
			this.#put(path, rest === "" ? "" : `${rest}\n`);
		}
	}

	#put(path: string, text: string): void {
		if (text === "") return;
		if (this.#headlines && path !== this.#last) print(`${this.#last === null ? "" : "\n"}==> ${basename(path)} <==\n`);
		this.#last = path;
		print(text);
	}
}

/** A file that grows. When it starts over (the launcher keeps it small) the rest of the old one is read before the new one. */
export class Tail {
	readonly path: string;
	#fd = -1;
	#offset = 0;
	#decoder = new TextDecoder();

	constructor(path: string) {
		this.path = path;
	}

	*read(): Generator<string> {
		if (this.#fd < 0 && !this.#open()) return;
		yield* this.#rest();
		const now = statSync(this.path, { throwIfNoEntry: false });
		if (!now || now.ino === fstatSync(this.#fd).ino) return;
		// What was written between the two looks.
		yield* this.#rest();
		this.close();
		if (this.#open()) yield* this.#rest();
	}

	close(): void {
		if (this.#fd >= 0) closeSync(this.#fd);
		this.#fd = -1;
	}

	#open(): boolean {
		if (!existsSync(this.path)) return false;
		this.#fd = openSync(this.path, "r");
		this.#offset = 0;
		this.#decoder = new TextDecoder();
		return true;
	}

	*#rest(): Generator<string> {
		const chunk = new Uint8Array(CHUNK_BYTES);
		for (;;) {
			const bytes = readSync(this.#fd, chunk, 0, chunk.length, this.#offset);
			if (bytes === 0) return;
			this.#offset += bytes;
			yield this.#decoder.decode(chunk.subarray(0, bytes), { stream: true });
		}
	}
}
