/** What was learned about this host: an accelerator that opens but cannot run the guest is not tried at every start. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { Accelerator } from "../plan/facts.ts";

const schema = z.object({
	/** What it was learned with; anything else makes it void. */
	key: z.string(),
	accelerator: z.enum(["kvm", "hvf", "whpx", "tcg"]),
	why: z.string(),
	at: z.string(),
});

export type BrokenAccelerator = z.infer<typeof schema>;

const FILE = "broken-accelerator.json";

/** Changes with the host's kernel, with QEMU, and with this program: each of them may mend it. */
export function hostKey(qemuVersion: string, launcherVersion: string, imageHash: string): string {
	return [os.platform(), os.release(), qemuVersion, launcherVersion, imageHash].join(" ");
}

export function recallBroken(state: string, key: string): BrokenAccelerator | null {
	try {
		const known = schema.parse(JSON.parse(readFileSync(join(state, FILE), "utf8")));
		return known.key === key ? known : null;
	} catch {
		return null;
	}
}

/** Never throws: forgetting costs a few seconds at the next start, nothing more. */
export function rememberBroken(state: string, key: string, accelerator: Accelerator, why: string): void {
	const known: BrokenAccelerator = { key, accelerator, why, at: new Date().toISOString() };
	const path = join(state, FILE);
	try {
		mkdirSync(state, { recursive: true, mode: 0o700 });
		writeFileSync(`${path}.${process.pid}.tmp`, `${JSON.stringify(known)}\n`, { mode: 0o600 });
		renameSync(`${path}.${process.pid}.tmp`, path);
	} catch {
		rmSync(`${path}.${process.pid}.tmp`, { force: true });
	}
}
