/** `virtualghost cp SRC DST`: copies between here and a running machine, by SFTP. */
import type { SFTPWrapper } from "ssh2";
import { EXIT, Fault } from "../errors.ts";
import { Interrupts, rejectOn } from "../interrupts.ts";
import { download } from "../ssh/copy/download.ts";
import { type CopyRequest, parseCopy } from "../ssh/copy/endpoint.ts";
import { RemoteFiles } from "../ssh/copy/remote.ts";
import { downloadToStream, uploadFromStream } from "../ssh/copy/stream.ts";
import type { CopyProgress, CopyTask } from "../ssh/copy/task.ts";
import { upload } from "../ssh/copy/upload.ts";
import { connectInstance } from "../vm/connect.ts";
import { findInstance } from "../vm/registry.ts";
import type { Context } from "./context.ts";
import { createReport, type Report } from "./report.ts";

export interface CpFlags {
	readonly src: string;
	readonly dst: string;
}

/** Opens a session with the machine of that name; undefined: the only one that runs. @throws Fault */
export type OpenSftp = (
	name: string | undefined,
	signal: AbortSignal,
) => Promise<{ readonly sftp: SFTPWrapper } & AsyncDisposable>;

/** A bar that changes faster than this only flickers. */
const PROGRESS_INTERVAL_MS = 100;

/** The guest can make any number of entries that cannot be copied. */
const WARNINGS_MAX = 100;

/** Returns 1 if something could not be copied, and was said. @throws Fault */
export async function cp(context: Context, flags: CpFlags, openSftp: OpenSftp = sftpOf(context)): Promise<number> {
	const request = parseCopy(flags.src, flags.dst, process.platform);
	checkStreams(request);
	const report = createReport(context);
	using interrupts = new Interrupts();
	const { signal } = interrupts;
	await using session = await Promise.race([openSftp(request.remote.machine, signal), rejectOn(signal)]);
	using remote = new RemoteFiles(session.sftp, signal);
	let skipped = 0;
	const task: CopyTask = {
		remote,
		platform: process.platform,
		signal,
		onProgress: throttledProgress(report),
		onSkip: (text) => {
			if (++skipped <= WARNINGS_MAX) report.warn(text);
		},
	};
	try {
		await copy(task, request);
	} finally {
		report.endProgress();
		const untold = skipped - WARNINGS_MAX;
		if (untold > 0) report.warn(`${untold} more were not copied, or not as they should`);
	}
	return skipped === 0 ? EXIT.ok : EXIT.failure;
}

function sftpOf(context: Context): OpenSftp {
	return async (name, signal) => {
		const session = await connectInstance(findInstance(context.directories.runtime, name), { signal });
		const sftp = await session.sftp();
		return { sftp, [Symbol.asyncDispose]: () => Promise.resolve(session[Symbol.dispose]()) };
	};
}

/** A file of the machine may hold sequences that a terminal obeys. */
function checkStreams({ direction, local }: CopyRequest): void {
	if (local.kind !== "stream") return;
	if (direction === "download" && process.stdout.isTTY) {
		throw new Fault("Standard output is a terminal", {
			why: "a file from a machine could take control of it",
			fix: "redirect it, or look at it with: virtualghost cp NAME:path - | less",
			exitCode: EXIT.usage,
		});
	}
}

function copy(task: CopyTask, { direction, remote, local }: CopyRequest): Promise<void> {
	if (direction === "download") {
		if (local.kind === "stream") return downloadToStream(task, remote.path, process.stdout);
		return download(task, remote.path, local.path);
	}
	if (local.kind === "stream") return uploadFromStream(task, process.stdin, remote.path);
	return upload(task, local.path, remote.path);
}

function throttledProgress(report: Report): (progress: CopyProgress) => void {
	let last = performance.now();
	return ({ file, doneBytes, totalBytes }) => {
		if (performance.now() - last < PROGRESS_INTERVAL_MS) return;
		last = performance.now();
		if (totalBytes > 0) report.progress(file, doneBytes, totalBytes);
		else report.progressWithoutTotal(file, doneBytes);
	};
}
