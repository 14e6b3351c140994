/**
 * A host without space: QEMU stops the guest before its file system sees an error (`werror=stop`). The user is told once, and the guest
 * goes on by itself when there is space again.
 */
import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import type { Machine } from "../vm/machine.ts";

/** Each look costs one system call. */
const LOOK_MS = 2000;
/** More than that is wanted before the guest goes on, or it would stop again at once. */
const SPARE_BYTES = 32 * 1024 * 1024;

const SAME_TROUBLE_MS = 10_000;

export interface FullDiskReport {
	warn(text: string): void;
}

/** Watches until disposed. `paths` by the node name of their block device. */
export function watchFullDisk(
	{ qmp, keepSessions }: { qmp: Machine["qmp"]; keepSessions(): void },
	paths: ReadonlyMap<string, string>,
	report: FullDiskReport,
): Disposable {
	let timer: ReturnType<typeof setTimeout> | null = null;
	let wanted = 0;
	let triedAt = 0;
	const look = (path: string, isFull: boolean) => {
		timer = setTimeout(async () => {
			timer = null;
			keepSessions();
			// An error that is none of space is tried again and again: the device may come back.
			if (isFull && freeBytes(path) < wanted) return look(path, isFull);
			triedAt = Date.now();
			try {
				await qmp.execute("cont");
				if (isFull) report.warn("the machine goes on: there is space again");
			} catch {
				// QEMU has ended.
			}
		}, LOOK_MS);
	};
	const onEvent = ({ event, data }: { event: string; data: Readonly<Record<string, unknown>> }) => {
		if (event !== "BLOCK_IO_ERROR" || data.action !== "stop" || timer !== null) return;
		const path = paths.get(String(data["node-name"])) ?? paths.get(String(data.device)) ?? [...paths.values()][0];
		if (path === undefined) return;
		const isFull = data.nospace === true;
		// Something may be free that this user's files cannot have (quota, reserved blocks): wait for more than there is.
		wanted = freeBytes(path) + SPARE_BYTES;
		// The same trouble as before the last try was told then.
		if (isFull) {
			report.warn(
				`the machine is paused: there is no space left for ${path}. Free some in ${dirname(path)}, and it goes on by itself`,
			);
		} else if (Date.now() - triedAt > SAME_TROUBLE_MS) {
			report.warn(
				`the machine is paused: ${path} cannot be written (${String(data.reason)}). It is tried again and again`,
			);
		}
		look(path, isFull);
	};
	qmp.on("event", onEvent);
	return {
		[Symbol.dispose]: () => {
			qmp.off("event", onEvent);
			if (timer !== null) clearTimeout(timer);
		},
	};
}

function freeBytes(path: string): number {
	try {
		const { bavail, bsize } = statfsSync(dirname(path));
		return bavail * bsize;
	} catch {
		return 0;
	}
}
