/**
 * The guest's file system over SFTP, as promises. Nothing that comes back is believed: the guest may answer a request
 * with a reply of another kind, so each one is judged by its shape before it is used.
 */
import type { SFTPWrapper } from "ssh2";
import { Fault } from "../../errors.ts";
import { EntryProblem, StatusProblem } from "./problems.ts";
import {
	asEntries,
	asHandle,
	asStat,
	asText,
	nonsense,
	nothing,
	type RemoteEntry,
	type RemoteStat,
} from "./replies.ts";

export interface Attributes {
	readonly mode?: number | undefined;
	/** Seconds since 1970. */
	readonly mtime?: number | undefined;
}

/** A folder that lists more than this is not copied: the guest may list for ever, and all of it is held in memory. */
const FOLDER_ENTRIES_MAX = 250_000;

/** How long an aborted copy waits for the guest to take back what was begun. */
const TIDY_TIMEOUT_MS = 2000;

/** What @types/ssh2 leaves out. */
interface Untyped {
	/** With `full`, ssh2 hands on what came; without, it trips over a reply that is no list. */
	readdir(handle: Buffer, options: { full: true }, done: Done): void;
	readonly _isOpenSSH?: boolean;
	readonly _extensions?: Readonly<Record<string, string>>;
}

type Done = (error: Error | null | undefined, value?: unknown) => void;
type Reject = (error: unknown) => void;

export class RemoteFiles implements Disposable {
	readonly #sftp: SFTPWrapper;
	readonly #signal: AbortSignal;
	/** Requests that wait for an answer, and whether an abort leaves them waiting. */
	readonly #waiting = new Map<Reject, { despiteAbort: boolean }>();
	#lost = false;
	readonly #onLost = () => {
		this.#lost = true;
		for (const reject of this.#waiting.keys()) reject(lostFault());
	};
	readonly #onAbort = () => {
		for (const [reject, { despiteAbort }] of this.#waiting) if (!despiteAbort) reject(this.#signal.reason);
	};

	/** All requests end with `signal`'s reason once that is aborted. */
	constructor(sftp: SFTPWrapper, signal: AbortSignal) {
		this.#sftp = sftp;
		this.#signal = signal;
		// A request that is made after the end gets no answer, so the end has to be known.
		sftp.on("error", this.#onLost).on("end", this.#onLost).on("close", this.#onLost);
		signal.addEventListener("abort", this.#onAbort);
	}

	/** Ends nothing in the guest: the session belongs to whoever opened it. */
	[Symbol.dispose](): void {
		this.#signal.removeEventListener("abort", this.#onAbort);
		this.#sftp.off("end", this.#onLost).off("close", this.#onLost);
		// The listener for errors stays: without one, a late error would end the process.
	}

	stat(path: string): Promise<RemoteStat> {
		return this.#ask((done) => this.#sftp.stat(path, done), asStat);
	}

	lstat(path: string): Promise<RemoteStat> {
		return this.#ask((done) => this.#sftp.lstat(path, done), asStat);
	}

	fstat(handle: Buffer): Promise<RemoteStat> {
		return this.#ask((done) => this.#sftp.fstat(handle, done), asStat);
	}

	openToRead(path: string): Promise<Buffer> {
		return this.#ask((done) => this.#sftp.open(path, "r", done), asHandle);
	}

	/** A new file that only its owner may use. Fails if anything has this name. */
	create(path: string): Promise<Buffer> {
		return this.#ask((done) => this.#sftp.open(path, "wx", { mode: 0o600 }, done), asHandle);
	}

	/** Fills part of `buffer`; may read less than `length`. 0 at the end of the file. */
	read(handle: Buffer, buffer: Buffer, offset: number, length: number, position: number): Promise<number> {
		return this.#ask(
			(done) => this.#sftp.read(handle, buffer, offset, length, position, done),
			(count) => {
				if (typeof count === "number" && Number.isInteger(count) && count >= 0 && count <= length) return count;
				throw nonsense();
			},
		);
	}

	write(handle: Buffer, data: Buffer, position: number): Promise<void> {
		return this.#ask((done) => this.#sftp.write(handle, data, 0, data.length, position, done), nothing);
	}

	close(handle: Buffer): Promise<void> {
		return this.#ask((done) => this.#sftp.close(handle, done), nothing);
	}

	/** All entries but `.` and `..`. */
	async list(path: string): Promise<RemoteEntry[]> {
		const handle = await this.#ask((done) => this.#sftp.opendir(path, done), asHandle);
		const entries: RemoteEntry[] = [];
		try {
			for (;;) {
				const batch = await this.#ask(
					(done) => (this.#sftp as unknown as Untyped).readdir(handle, { full: true }, done),
					asEntries,
				).catch(endOfFile);
				if (batch === null) return entries;
				entries.push(...batch.filter(({ name }) => name !== "." && name !== ".."));
				// An empty batch is no end by the protocol, but a guest can send it for ever.
				if (batch.length === 0 || entries.length > FOLDER_ENTRIES_MAX) throw new EntryProblem("its list has no end");
			}
		} finally {
			await this.tidy(() => this.#closeDespiteAbort(handle));
		}
	}

	readlink(path: string): Promise<string> {
		return this.#ask((done) => this.#sftp.readlink(path, done), asText);
	}

	mkdir(path: string): Promise<void> {
		return this.#ask((done) => this.#sftp.mkdir(path, { mode: 0o700 } as never, done), nothing);
	}

	symlink(target: string, path: string): Promise<void> {
		// OpenSSH's sftp-server takes the two paths in the other order than the protocol says. ssh2 knows that, but goes by
		// the name of the SSH server in front of it, which is our agent. This extension is sftp-server's own.
		const { _isOpenSSH, _extensions } = this.#sftp as unknown as Untyped;
		const swapped = !_isOpenSSH && _extensions?.["posix-rename@openssh.com"] !== undefined;
		const [first, second] = swapped ? [path, target] : [target, path];
		return this.#ask((done) => this.#sftp.symlink(first, second, done), nothing);
	}

	/** Replaces what is at `to`, unless that is a folder. */
	rename(from: string, to: string): Promise<void> {
		return this.#ask((done) => this.#sftp.ext_openssh_rename(from, to, done), nothing);
	}

	setAttributes(path: string, attributes: Attributes): Promise<void> {
		return this.#ask((done) => this.#sftp.setstat(path, toAttributes(attributes), done), nothing);
	}

	setHandleAttributes(handle: Buffer, attributes: Attributes): Promise<void> {
		return this.#ask((done) => this.#sftp.fsetstat(handle, toAttributes(attributes), done), nothing);
	}

	/** Bytes that the machine's user can still write where `path` is; null if the guest does not say. */
	freeBytes(path: string): Promise<number | null> {
		return this.#ask(
			(done) => this.#sftp.ext_openssh_statvfs(path, done),
			(value) => {
				const { f_frsize: size, f_bavail: count } = (value ?? {}) as Record<string, unknown>;
				return typeof size === "number" && typeof count === "number" ? size * count : null;
			},
		).catch(() => null);
	}

	/** Closes a handle and, if given, removes a file, also after an abort; failures and a silent guest do not matter. */
	async discard(handle: Buffer, path?: string): Promise<void> {
		await this.tidy(() => this.#closeDespiteAbort(handle));
		if (path !== undefined) await this.discardFile(path);
	}

	async discardFile(path: string): Promise<void> {
		await this.tidy(() => this.#ask((done) => this.#sftp.unlink(path, done), nothing, true));
	}

	/** Waits for `undo`, but not for long. */
	async tidy(undo: () => Promise<void>): Promise<void> {
		const { promise, resolve } = Promise.withResolvers<void>();
		const timer = setTimeout(resolve, TIDY_TIMEOUT_MS);
		await Promise.race([undo().catch(() => {}), promise]);
		clearTimeout(timer);
	}

	#closeDespiteAbort(handle: Buffer): Promise<void> {
		return this.#ask((done) => this.#sftp.close(handle, done), nothing, true);
	}

	#ask<T>(send: (done: Done) => void, judge: (value: unknown) => T, despiteAbort = false): Promise<T> {
		return new Promise<T>((resolve, reject) => {
			if (this.#lost) throw lostFault();
			if (!despiteAbort) this.#signal.throwIfAborted();
			this.#waiting.set(reject, { despiteAbort });
			const done: Done = (error, value) => {
				this.#waiting.delete(reject);
				try {
					if (error) reject(asProblem(error));
					else resolve(judge(value));
				} catch (wrong) {
					reject(wrong);
				}
			};
			try {
				send(done);
			} catch (error) {
				// ssh2 throws for what the server has not got.
				this.#waiting.delete(reject);
				reject(new EntryProblem(`SFTP: ${error instanceof Error ? error.message : String(error)}`));
			}
		});
	}
}

const END_OF_FILE = 1;

function endOfFile(error: unknown): null {
	if (error instanceof StatusProblem && error.code === END_OF_FILE) return null;
	throw error;
}

function asProblem(error: Error & { code?: unknown }): unknown {
	// Without a code it is ssh2's own: the session is over, or the guest sent more than was asked for.
	return typeof error.code === "number" ? new StatusProblem(error.code, error.message) : lostFault(error);
}

function lostFault(cause?: Error): Fault {
	return new Fault("The SFTP session with the machine was lost", {
		why: cause?.message,
		fix: "check that the machine still runs, then copy again",
		cause,
	});
}

/** Times in SFTP 3 are whole seconds in 32 bits, and come in pairs. */
function toAttributes({ mode, mtime }: Attributes) {
	const seconds = mtime === undefined ? undefined : Math.min(Math.max(Math.floor(mtime), 0), 2 ** 32 - 1);
	const now = Math.floor(Date.now() / 1000);
	// ssh2 leaves out what is undefined.
	return { mode, ...(seconds === undefined ? {} : { mtime: seconds, atime: now }) } as { mode: number };
}
