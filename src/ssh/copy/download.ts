/**
 * Guest to host. The guest is hostile: it chooses names, kinds, sizes and link targets, and may change its mind between
 * two answers. What keeps it inside the destination:
 *
 * - every name is judged (`names.ts`) before it becomes part of a path;
 * - links are made last, when nothing is written beneath them any more, and never in the place of a folder;
 * - a folder beneath the destination is entered only if it is a real one;
 * - files come into being under a name that the guest cannot guess, and are renamed over the final one.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../errors.ts";
import { copyName, type Found, placeOf } from "./destination.ts";
import { type FileAttributes, finishFolderHere, folderHere, linkHere, writeAllHere, writeFileHere } from "./local.ts";
import { linkTargetProblem, nameProblem, shown } from "./names.ts";
import { codeHere, copyFault, EntryProblem } from "./problems.ts";
import { bytesMaxOf, pump, readAhead } from "./pump.ts";
import type { RemoteStat } from "./replies.ts";
import { type CopyTask, copyEntry, DEPTH_MAX, inGuest, progressOf } from "./task.ts";

/** So many entries are no tree that somebody wants, but a guest that invents them, and they are held in memory. */
const ENTRIES_MAX = 2_000_000;

/** Copies `source` (as the user wrote it, `~` resolved) to `destination`. @throws Fault, or the signal's reason. */
export async function download(task: CopyTask, source: string, destination: string): Promise<void> {
	try {
		const name = copyName(source, false);
		// `dir/.` and `..` may go through a link; by its own name a link is copied as such.
		const sourceStat = await (name === null ? task.remote.stat(source) : task.remote.lstat(source));
		const sourceIsFolder = sourceStat.type === "folder";
		if (name === null && !sourceIsFolder) throw new EntryProblem("it is no folder");
		const windows = task.platform === "win32";
		const found = await findHere(destination);
		const place = placeOf({ name, sourceIsFolder, destination, found, windows }, join);
		const problem = found === "folder" && name !== null ? nameProblem(name, task.platform) : null;
		if (problem !== null) throw new EntryProblem(problem, "name a file as the destination");
		// Only the user's own folder may be a link, and keeps its mode and time.
		const isUsersOwn = found === "folder" && place === destination;
		await new Tree(task).copyRoot(source, place, sourceStat, isUsersOwn);
	} catch (error) {
		task.signal.throwIfAborted();
		throw copyFault(error, source);
	}
}

async function findHere(path: string): Promise<Found> {
	try {
		return (await stat(path)).isDirectory() ? "folder" : "other";
	} catch (error) {
		if (codeHere(error) === "ENOENT") return "missing";
		throw error;
	}
}

/** One entry: where it is in the guest, and where it comes to be here. */
interface Pair {
	readonly from: string;
	readonly to: string;
}

class Tree {
	readonly #task: CopyTask;
	readonly #links: Pair[] = [];
	/** In the order in which they were entered: a folder before what is in it. */
	readonly #folders: (Pair & { readonly attributes: FileAttributes })[] = [];
	#entries = 0;

	constructor(task: CopyTask) {
		this.#task = task;
	}

	async copyRoot(from: string, to: string, stat: RemoteStat, isUsersOwn: boolean): Promise<void> {
		const pair = { from, to };
		if (isUsersOwn) await this.#fill(pair, 0);
		else if (stat.type === "link") await this.#link(pair);
		else await this.#copy(pair, stat, 0);
		await this.#finish();
	}

	async #copy(pair: Pair, stat: RemoteStat, depth: number): Promise<void> {
		switch (stat.type) {
			case "file":
				return await this.#file(pair, stat);
			case "folder":
				return await this.#folder(pair, stat, depth);
			case "link":
				this.#links.push(pair);
				return;
			case "special":
				throw new EntryProblem("it is a device, pipe or socket");
		}
	}

	async #file(pair: Pair, listed: RemoteStat): Promise<void> {
		const { remote, signal } = this.#task;
		const handle = await remote.openToRead(pair.from);
		try {
			// The file that was opened counts, not the one that was listed.
			const opened = await remote.fstat(handle);
			if (opened.type !== "file") throw new EntryProblem("it is no file any more");
			const attributes = { mode: opened.mode, mtime: opened.mtime ?? listed.mtime };
			const step = progressOf(this.#task, pair.from, opened.size);
			let note: string | null = null;
			await writeFileHere(pair.to, attributes, signal, async (file) => {
				const chunks = readAhead(remote, handle, bytesMaxOf(opened.size));
				note = await pump(chunks, opened.size, (bytes, at) => writeAllHere(file, bytes, at), step);
			});
			if (note !== null) this.#task.onSkip(`${shown(pair.from)}: ${note}`);
		} finally {
			await remote.discard(handle);
		}
	}

	async #folder(pair: Pair, stat: RemoteStat, depth: number): Promise<void> {
		if (depth >= DEPTH_MAX) throw new EntryProblem(`it is more than ${DEPTH_MAX} folders deep`);
		await folderHere(pair.to);
		this.#folders.push({ ...pair, attributes: { mode: stat.mode, mtime: stat.mtime } });
		await this.#fill(pair, depth);
	}

	async #fill(pair: Pair, depth: number): Promise<void> {
		const names = new Set<string>();
		const entries = await this.#task.remote.list(pair.from);
		this.#entries += entries.length;
		if (this.#entries > ENTRIES_MAX) {
			throw new Fault(`The machine has more than ${ENTRIES_MAX} files there`, { fix: "copy parts of it" });
		}
		for (const { name, stat } of entries) {
			const from = inGuest(pair.from, name);
			await copyEntry(this.#task, from, async () => {
				const problem = nameProblem(name, this.#task.platform);
				if (problem !== null) throw new EntryProblem(problem);
				if (names.has(name)) throw new EntryProblem("the machine lists it twice");
				names.add(name);
				await this.#copy({ from, to: join(pair.to, name) }, stat, depth + 1);
			});
		}
	}

	/** Links, which change the times of folders; then the folders' own attributes, the deepest first: modes may lock them. */
	async #finish(): Promise<void> {
		for (const pair of this.#links) await copyEntry(this.#task, pair.from, () => this.#link(pair));
		for (const { from, to, attributes } of this.#folders.reverse()) {
			await copyEntry(this.#task, from, () => finishFolderHere(to, attributes));
		}
	}

	async #link({ from, to }: Pair): Promise<void> {
		const target = await this.#task.remote.readlink(from);
		const problem = linkTargetProblem(target);
		if (problem !== null) throw new EntryProblem(problem);
		await linkHere(target, to);
	}
}
