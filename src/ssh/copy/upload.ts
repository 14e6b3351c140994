/** Host to guest: files, folders and links with their modes and times. */
import { constants, type Stats } from "node:fs";
import { type FileHandle, lstat, open, readdir, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../errors.ts";
import { copyName, type Found, placeOf } from "./destination.ts";
import { temporaryName } from "./local.ts";
import { shown } from "./names.ts";
import { copyFault, EntryProblem, STATUS, StatusProblem } from "./problems.ts";
import { bytesMaxOf, pump, readHere, WriteBehind } from "./pump.ts";
import type { Attributes, RemoteFiles } from "./remote.ts";
import { typeOf } from "./replies.ts";
import { type CopyTask, copyEntry, DEPTH_MAX, inGuest, progressOf } from "./task.ts";

/** A pipe that takes a file's place must not make the open wait; Windows knows neither flag. */
const READ =
	constants.O_RDONLY |
	((constants.O_NOFOLLOW as number | undefined) ?? 0) |
	((constants.O_NONBLOCK as number | undefined) ?? 0);

/** Copies `source` to `destination` in the guest (`~` resolved). @throws Fault, or the signal's reason. */
export async function upload(task: CopyTask, source: string, destination: string): Promise<void> {
	try {
		const name = copyName(source, task.platform === "win32");
		// `dir/.` and `..` may go through a link; by its own name a link is copied as such.
		const sourceStat = await (name === null ? stat(source) : lstat(source));
		const sourceIsFolder = sourceStat.isDirectory();
		const found = await findInGuest(task.remote, destination);
		const place = placeOf({ name, sourceIsFolder, destination, found, windows: false }, inGuest);
		const isUsersOwn = found === "folder" && place === destination;
		await new Tree(task).copyRoot({ from: source, to: place }, sourceStat, isUsersOwn);
	} catch (error) {
		task.signal.throwIfAborted();
		throw copyFault(error, source);
	}
}

export async function findInGuest(remote: RemoteFiles, path: string): Promise<Found> {
	try {
		return (await remote.stat(path)).type === "folder" ? "folder" : "other";
	} catch (error) {
		if (isMissing(error)) return "missing";
		throw error;
	}
}

function isMissing(error: unknown): boolean {
	return error instanceof StatusProblem && error.code === STATUS.noSuchFile;
}

/** Writes a file in the guest with `fill` and puts it in the place of `path` once it is whole. */
export async function writeFileInGuest(
	remote: RemoteFiles,
	path: string,
	attributes: Attributes,
	fill: (output: WriteBehind) => Promise<number>,
): Promise<void> {
	await checkReplaceable(remote, path);
	const temporary = besideInGuest(path);
	let handle: Buffer | undefined;
	try {
		handle = await remote.create(temporary);
		const output = new WriteBehind(remote, handle);
		const bytes = await fill(output).catch((error: unknown) => explainWrite(remote, path, error));
		await output.finish().catch((error: unknown) => explainWrite(remote, path, error));
		const { size } = await remote.fstat(handle);
		if (size !== bytes) throw new EntryProblem(`the machine has ${size} of its ${bytes} bytes`);
		await remote.setHandleAttributes(handle, attributes);
		await remote.close(handle);
		handle = undefined;
		await remote.rename(temporary, path);
	} catch (error) {
		if (handle) await remote.discard(handle);
		await remote.discardFile(temporary);
		throw error;
	}
}

/** A failed write is mostly a full disk, for which SFTP has no code. That ends the copy: it would fail for every file. */
async function explainWrite(remote: RemoteFiles, path: string, error: unknown): Promise<never> {
	if (!(error instanceof StatusProblem) || error.code !== STATUS.failure) throw error;
	const free = await remote.freeBytes(path.replace(/[^/]*$/, "") || ".");
	if (free === null || free > NO_SPACE_BYTES) throw error;
	throw new Fault(`There is no space left in the machine for ${shown(path)}`, {
		why: error.message,
		fix: "remove something there, or give the machine more memory or disk",
		cause: error,
	});
}

/** The last blocks are often too few for one write. */
const NO_SPACE_BYTES = 1024 * 1024;

async function checkReplaceable(remote: RemoteFiles, path: string): Promise<void> {
	const type = await remote.lstat(path).then(
		(found) => found.type,
		(error: unknown) => {
			if (isMissing(error)) return null;
			throw error;
		},
	);
	if (type === "folder") throw new EntryProblem("a folder is in its place in the machine");
	if (type === "special") throw new EntryProblem("a device, pipe or socket is in its place in the machine");
}

function besideInGuest(path: string): string {
	return path.replace(/[^/]*$/, () => temporaryName());
}

/** One entry: where it is here, and where it comes to be in the guest. */
interface Pair {
	readonly from: string;
	readonly to: string;
}

class Tree {
	readonly #task: CopyTask;
	/** In the order in which they were entered: a folder before what is in it. */
	readonly #folders: (Pair & { readonly attributes: Attributes })[] = [];

	constructor(task: CopyTask) {
		this.#task = task;
	}

	async copyRoot(pair: Pair, stat: Stats, isUsersOwn: boolean): Promise<void> {
		if (isUsersOwn) await this.#fill(pair, 0);
		else await this.#copy(pair, stat, 0);
		// The deepest first: a folder's own mode may lock what is in it.
		for (const { from, to, attributes } of this.#folders.reverse()) {
			await copyEntry(this.#task, from, () => this.#task.remote.setAttributes(to, attributes));
		}
	}

	async #copy(pair: Pair, stat: Stats, depth: number): Promise<void> {
		switch (typeOf(stat.mode)) {
			case "file":
				return await this.#file(pair);
			case "folder":
				return await this.#folder(pair, stat, depth);
			case "link":
				return await this.#link(pair);
			case "special":
				throw new EntryProblem("it is a device, pipe or socket");
		}
	}

	async #file(pair: Pair): Promise<void> {
		const file: FileHandle = await open(pair.from, READ);
		try {
			const stat = await file.stat();
			if (!stat.isFile()) throw new EntryProblem("it is no file any more");
			const step = progressOf(this.#task, pair.from, stat.size);
			let note: string | null = null;
			await writeFileInGuest(this.#task.remote, pair.to, this.#attributes(stat), async (output) => {
				let bytes = 0;
				const chunks = readHere(file, bytesMaxOf(stat.size));
				note = await pump(
					chunks,
					stat.size,
					(chunk, at) => output.write(chunk, at),
					(done) => {
						bytes = done;
						step(done);
					},
				);
				return bytes;
			});
			if (note !== null) this.#task.onSkip(`${shown(pair.from)}: ${note}`);
		} finally {
			await file.close();
		}
	}

	async #folder(pair: Pair, stat: Stats, depth: number): Promise<void> {
		if (depth >= DEPTH_MAX) throw new EntryProblem(`it is more than ${DEPTH_MAX} folders deep`);
		await this.#ensureFolder(pair.to);
		this.#folders.push({ ...pair, attributes: this.#attributes(stat) });
		await this.#fill(pair, depth);
	}

	/** A link in a folder's place is not followed, as with `cp -a`. */
	async #ensureFolder(path: string): Promise<void> {
		const { remote } = this.#task;
		try {
			const { type, mode } = await remote.lstat(path);
			if (type !== "folder") throw new EntryProblem("something else is in its place in the machine");
			if ((mode & 0o700) !== 0o700) await remote.setAttributes(path, { mode: mode | 0o700 });
		} catch (error) {
			if (!isMissing(error)) throw error;
			await remote.mkdir(path);
		}
	}

	async #fill(pair: Pair, depth: number): Promise<void> {
		for (const name of await readdir(pair.from)) {
			const from = join(pair.from, name);
			await copyEntry(this.#task, from, async () => {
				await this.#copy({ from, to: inGuest(pair.to, name) }, await lstat(from), depth + 1);
			});
		}
	}

	async #link(pair: Pair): Promise<void> {
		const { remote } = this.#task;
		await checkReplaceable(remote, pair.to);
		const temporary = besideInGuest(pair.to);
		await remote.symlink(await readlink(pair.from), temporary);
		try {
			await remote.rename(temporary, pair.to);
		} catch (error) {
			await remote.discardFile(temporary);
			throw error;
		}
	}

	#attributes(stat: Stats): Attributes {
		const mtime = stat.mtimeMs / 1000;
		// Windows has no permission bits; what it makes up lets everybody write.
		if (this.#task.platform !== "win32") return { mode: stat.mode & 0o7777, mtime };
		return { mode: stat.isDirectory() ? 0o755 : 0o644, mtime };
	}
}
