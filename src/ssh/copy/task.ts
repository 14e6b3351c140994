/** What every direction of a copy is given, and what it tells while it runs. */

import { shown } from "./names.ts";
import { entryProblem } from "./problems.ts";
import type { RemoteFiles } from "./remote.ts";

export interface CopyProgress {
	/** The file that is being copied, printable. */
	readonly file: string;
	readonly doneBytes: number;
	/** 0 where nobody knows. */
	readonly totalBytes: number;
}

export interface CopyTask {
	readonly remote: RemoteFiles;
	readonly platform: NodeJS.Platform;
	/** Stops the copy, which then throws its reason. `remote` has the same one. */
	readonly signal: AbortSignal;
	/** After every chunk. */
	readonly onProgress: (progress: CopyProgress) => void;
	/** Something is missing in the copy, or came differently than it should; the rest is still copied. Printable. */
	readonly onSkip: (text: string) => void;
}

/** Deeper folders are not copied: paths of that depth fit no system, and the guest may nest without end. */
export const DEPTH_MAX = 128;

/** Copies one entry of a tree; what only this entry suffers from is told, and does not end the copy. */
export async function copyEntry(task: CopyTask, path: string, copy: () => Promise<void>): Promise<void> {
	task.signal.throwIfAborted();
	try {
		await copy();
	} catch (error) {
		task.signal.throwIfAborted();
		const why = entryProblem(error);
		if (why === null) throw error;
		task.onSkip(`${shown(path)} was not copied: ${why}`);
	}
}

export function progressOf(task: CopyTask, path: string, totalBytes: number): (doneBytes: number) => void {
	const file = shown(path);
	return (doneBytes) => task.onProgress({ file, doneBytes, totalBytes });
}

/** The path of an entry of a folder in the guest. */
export function inGuest(folder: string, name: string): string {
	if (folder === ".") return name;
	return folder.endsWith("/") ? `${folder}${name}` : `${folder}/${name}`;
}
