/** Puts a work copy into place in the guest, and gets what was changed out of it. */
import { once } from "node:events";
import { createWriteStream, rmSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { finished } from "node:stream/promises";
import { Fault, reason } from "../../errors.ts";
import { type ChannelEnd, exitStatus, type GuestSession } from "../../ssh/client.ts";
import { runScript } from "../guest-scripts.ts";
import { mountShare } from "../share/mount.ts";
import { BadStream, readChanges } from "./changes.ts";
import type { Work } from "./store.ts";

const LOWER = "/run/virtualghost/work/lower";
const SCRIPTS = "/usr/lib/virtualghost";
/** Where the guest sees it. */
export const WORK_TARGET = "/work";
/** Left free on the host, whatever a guest sends. */
const SPARE_BYTES = 256 * 1024 * 1024;
const WORDS_MAX = 2000;

/** @throws Fault */
export async function placeWork(root: GuestSession, work: Work, lost: (why: string) => unknown): Promise<void> {
	await mountShare(root, { source: work.record.folder, target: LOWER, writable: false }, lost);
	await runScript(root, `The work copy of ${work.record.folder} could not be made`, "work-copy");
}

/** Resolves with true when the session in the window has ended, and the guest waits; with false when the connection is lost. */
export async function sessionHasEnded(root: GuestSession): Promise<boolean> {
	const channel = await root.stream(`${SCRIPTS}/work-wait`);
	channel.on("error", () => {});
	channel.stderr.resume();
	return await new Promise<boolean>((resolve) => {
		channel.once("data", () => resolve(true));
		channel.once("close", () => resolve(false));
	});
}

/** The guest need not wait any longer. */
export async function letGo(root: GuestSession): Promise<void> {
	await root.exec("rm -f /run/virtualghost/hold").catch(() => {});
}

/**
 * Gets the changes into the work copy's folder. Nothing is lost by a failure: they are in the disk.
 *
 * @throws Fault
 */
export async function collectWork(root: GuestSession, work: Work): Promise<void> {
	const what = "The changes of the work copy could not be collected";
	const fix = `they are kept: virtualghost work recover ${work.id}`;
	try {
		await receive(root, work.part);
		// Read here, so that what is no list of changes is noticed while the guest is there still.
		readChanges(work.part);
		work.keepChanges();
	} catch (error) {
		rmSync(work.part, { force: true });
		const why = error instanceof BadStream ? `what the guest sent cannot be used: ${error.message}` : reason(error);
		throw new Fault(what, { why, fix, cause: error });
	}
}

async function receive(root: GuestSession, path: string): Promise<void> {
	const channel = await root.stream(`${SCRIPTS}/work-collect`);
	channel.end();
	let words = "";
	channel.stderr.on("data", (bytes: Buffer) => {
		words = (words + bytes.toString("utf8")).slice(-WORDS_MAX);
	});
	const ended = new Promise<ChannelEnd>((resolve) => channel.on("close", (...how: ChannelEnd) => resolve(how)));
	const file = createWriteStream(path, { flags: "w", mode: 0o600 });
	// Told by the next write.
	file.on("error", () => {});
	const { bavail, bsize } = statfsSync(dirname(path));
	let left = bavail * bsize - SPARE_BYTES;
	try {
		for await (const chunk of channel) {
			left -= (chunk as Buffer).length;
			if (left < 0) throw new Fault("there is not enough space for them on this host");
			if (file.errored) throw file.errored;
			if (!file.write(chunk)) await once(file, "drain");
		}
	} catch (error) {
		channel.close();
		file.destroy();
		throw error;
	}
	file.end();
	await finished(file);
	const status = exitStatus(...(await ended));
	if (status?.code === 0) return;
	throw new Fault(words.trim().split("\n").at(-1) || (status ? "the guest failed" : "the connection was lost"));
}
