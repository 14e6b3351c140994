/** One file between the guest and standard input or output. */
import type { Readable, Writable } from "node:stream";
import { Fault } from "../../errors.ts";
import { placeOf } from "./destination.ts";
import { shown } from "./names.ts";
import { copyFault, EntryProblem } from "./problems.ts";
import { bytesMaxOf, pump, readAhead } from "./pump.ts";
import { type CopyTask, inGuest, progressOf } from "./task.ts";
import { findInGuest, writeFileInGuest } from "./upload.ts";

/** What a program's output gets, as with umask 022; a stream has no mode of its own. */
const NEW_FILE_MODE = 0o644;

/** @throws Fault, or the signal's reason. */
export async function downloadToStream(task: CopyTask, source: string, output: Writable): Promise<void> {
	try {
		// A reader is not interested in where a link leads: this one is followed.
		const { type } = await task.remote.stat(source);
		if (type === "folder") throw new EntryProblem("it is a folder", "name a folder as the destination instead of -");
		if (type !== "file") throw new EntryProblem("it is a device, pipe or socket");
		const handle = await task.remote.openToRead(source);
		try {
			const { size } = await task.remote.fstat(handle);
			const step = progressOf(task, source, size);
			using sink = new Sink(output, task.signal);
			const note = await pump(
				readAhead(task.remote, handle, bytesMaxOf(size)),
				size,
				(bytes) => sink.write(bytes),
				step,
			);
			await sink.flushed();
			if (note !== null) task.onSkip(`${shown(source)}: ${note}`);
		} finally {
			await task.remote.discard(handle);
		}
	} catch (error) {
		task.signal.throwIfAborted();
		throw copyFault(error, source);
	}
}

/** Copies `input` to its end to a file. @throws Fault, or the signal's reason. */
export async function uploadFromStream(task: CopyTask, input: Readable, destination: string): Promise<void> {
	try {
		const found = await findInGuest(task.remote, destination);
		if (found === "folder") throw new EntryProblem("it is a folder", "add a file name");
		const wanted = { name: "", sourceIsFolder: false, destination, found, windows: false };
		const place = placeOf(wanted, inGuest);
		const before = found === "other" ? (await task.remote.stat(place)).mode : NEW_FILE_MODE;
		const step = progressOf(task, destination, 0);
		await writeFileInGuest(task.remote, place, { mode: before }, async (target) => {
			let done = 0;
			for await (const chunk of untilAbort(input, task.signal)) {
				await target.write(chunk, done);
				done += chunk.length;
				step(done);
			}
			return done;
		});
	} catch (error) {
		task.signal.throwIfAborted();
		throw copyFault(error, destination);
	}
}

/** A stream's chunks; a source that is silent does not keep an abort waiting. */
async function* untilAbort(input: Readable, signal: AbortSignal): AsyncGenerator<Buffer> {
	const stop = () => input.destroy();
	signal.addEventListener("abort", stop);
	try {
		for await (const chunk of input) yield Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
	} finally {
		signal.removeEventListener("abort", stop);
	}
	// A destroyed stream may just end.
	signal.throwIfAborted();
}

/** A stream to write to that says when it has had enough, and that may go away. */
class Sink implements Disposable {
	readonly #output: Writable;
	readonly #gone: Promise<never>;
	readonly #fail: (error: unknown) => void;
	readonly #signal: AbortSignal;
	readonly #onError = (error: Error) => this.#fail(goneFault(error));
	readonly #onClose = () => this.#fail(goneFault());
	readonly #onAbort = () => this.#fail(this.#signal.reason);

	constructor(output: Writable, signal: AbortSignal) {
		const { promise, reject } = Promise.withResolvers<never>();
		promise.catch(() => {});
		this.#output = output;
		this.#signal = signal;
		this.#gone = promise;
		this.#fail = reject;
		output.on("error", this.#onError).on("close", this.#onClose);
		signal.addEventListener("abort", this.#onAbort);
	}

	async write(bytes: Buffer): Promise<void> {
		const { promise, resolve } = Promise.withResolvers<void>();
		this.#output.once("drain", resolve);
		try {
			if (!this.#output.write(bytes)) await Promise.race([promise, this.#gone]);
		} finally {
			this.#output.off("drain", resolve);
		}
	}

	/** Waits until all has been handed to the system. */
	async flushed(): Promise<void> {
		const { promise, resolve } = Promise.withResolvers<void>();
		this.#output.write(Buffer.alloc(0), () => resolve());
		await Promise.race([promise, this.#gone]);
	}

	[Symbol.dispose](): void {
		this.#output.off("error", this.#onError).off("close", this.#onClose);
		this.#signal.removeEventListener("abort", this.#onAbort);
	}
}

function goneFault(cause?: Error): Fault {
	return new Fault("Standard output was closed before the end", {
		why: cause?.message ?? "its reader has gone away",
		cause,
	});
}
