/** Identity of processes: a pid alone is reused, a pid with its start time is not. */
import { readFileSync } from "node:fs";

export interface ProcessId {
	readonly pid: number;
	/** Start time in the kernel's own units; null where this platform does not tell cheaply. */
	readonly startTime: string | null;
}

/** The process's identity, or null if there is no such process. */
export function identify(pid: number): ProcessId | null {
	if (process.platform === "linux") {
		try {
			const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
			// The second field is the name in parentheses, which may hold spaces; field 22 is the start time, field 3 the state.
			const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
			return fields[0] === "Z" ? null : { pid, startTime: fields[19] ?? null };
		} catch {
			return null;
		}
	}
	try {
		process.kill(pid, 0);
	} catch (error) {
		// EPERM: it is there, and somebody else's.
		if ((error as NodeJS.ErrnoException).code !== "EPERM") return null;
	}
	return { pid, startTime: processStartFromPs(pid) };
}

function processStartFromPs(pid: number): string | null {
	if (process.platform === "win32") return null;
	const ps = Bun.spawnSync(["ps", "-o", "lstart=", "-p", String(pid)], { stdout: "pipe", stderr: "ignore" });
	return ps.stdout.toString().trim() || null;
}

/** Whether the very process that `id` names is still alive. */
export function isAlive(id: ProcessId): boolean {
	const now = identify(id.pid);
	return now !== null && now.startTime === id.startTime;
}

/** Signals a process or, with a negative pid, its group; one that is gone already is what was wanted. */
export function signalQuietly(pid: number, signal: NodeJS.Signals): void {
	try {
		process.kill(pid, signal);
	} catch {
		// ESRCH.
	}
}
