/** What was learned about this host: what is there but does not work is not tried at every start. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { z } from "zod";

/** A file of the state folder each. `clean` removes them. */
export const MEMORY_FILE = {
	/** An accelerator that opens and cannot run the guest. */
	accelerator: "broken-accelerator.json",
	/** virgl that starts and does not give the guest what it needs. */
	gpu: "broken-gpu.json",
	/** A snapshot that was sound and could not be restored. */
	snapshot: "broken-snapshot.json",
} as const;

/** There once a terminal has come up on this host: its two lines of hint are said once. */
const STARTED_FILE = "started";

/** Whether no terminal has come up yet for this user. */
export function isFirstStart(state: string): boolean {
	return !existsSync(join(state, STARTED_FILE));
}

/** Never throws: a hint too many is no harm. */
export function rememberFirstStart(state: string): void {
	try {
		mkdirSync(state, { recursive: true, mode: 0o700 });
		writeFileSync(join(state, STARTED_FILE), "", { mode: 0o600 });
	} catch {
		// It is said once more at the next start.
	}
}

type Topic = keyof typeof MEMORY_FILE;

const schema = z.object({
	/** What it was learned with; anything else makes it void. */
	key: z.string(),
	/** The accelerator's name, or `virgl`. */
	what: z.string(),
	why: z.string(),
	at: z.string(),
});

export type Broken = z.infer<typeof schema>;

/** Changes with the host's kernel, with QEMU, and with this program: each of them may mend it. */
export function hostKey(qemuVersion: string, launcherVersion: string, imageHash: string): string {
	return [os.platform(), os.release(), qemuVersion, launcherVersion, imageHash].join(" ");
}

export function recallBroken(state: string, topic: Topic, key: string): Broken | null {
	try {
		const known = schema.parse(JSON.parse(readFileSync(join(state, MEMORY_FILE[topic]), "utf8")));
		return known.key === key ? known : null;
	} catch {
		return null;
	}
}

/** Never throws: forgetting costs a few seconds at the next start, nothing more. */
export function rememberBroken(state: string, topic: Topic, key: string, what: string, why: string): void {
	const known: Broken = { key, what, why, at: new Date().toISOString() };
	const path = join(state, MEMORY_FILE[topic]);
	try {
		mkdirSync(state, { recursive: true, mode: 0o700 });
		writeFileSync(`${path}.${process.pid}.tmp`, `${JSON.stringify(known)}\n`, { mode: 0o600 });
		renameSync(`${path}.${process.pid}.tmp`, path);
	} catch {
		rmSync(`${path}.${process.pid}.tmp`, { force: true });
	}
}

export function forgetBroken(state: string, topic: Topic): void {
	rmSync(join(state, MEMORY_FILE[topic]), { force: true });
}
