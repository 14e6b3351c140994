/** All machines of this user, from outside: which run, which one is meant, and what dead launchers have left. */
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { EXIT, Fault } from "../errors.ts";
import { ensurePrivateFolder } from "../host/directories.ts";
import { isLockHeld, takeLock } from "../host/file-lock.ts";
import { isAlive, signalQuietly } from "../host/processes.ts";
import { checkName } from "./friendly-names.ts";
import { INSTANCE_FILE, type InstanceRecord, instanceRecordSchema } from "./instance-record.ts";

export interface FoundInstance {
	readonly folder: string;
	readonly record: InstanceRecord;
}

/** A folder without its name is in the making for milliseconds; one that still is after a minute was left by a kill. */
const UNNAMED_MS_MAX = 60_000;

/** The machines that run, oldest first. */
export function runningInstances(runtime: string): FoundInstance[] {
	return foldersOf(runtime)
		.filter((name) => !name.startsWith("."))
		.map((name) => ({ folder: join(runtime, name), record: readRecord(join(runtime, name)) }))
		.filter((each): each is FoundInstance => each.record !== null && isRunning(each.folder, each.record))
		.sort((a, b) => (a.record.startedAt < b.record.startedAt ? -1 : 1));
}

/** @throws Fault if there is none of that name, or if the name was left out and not exactly one machine runs. */
export function findInstance(runtime: string, name: string | undefined): FoundInstance {
	const running = runningInstances(runtime);
	if (name !== undefined) {
		checkName(name);
		const found = running.find(({ record }) => record.name === name);
		if (found) return found;
		throw new Fault(`No machine named ${name} is running`, { why: describeRunning(running), exitCode: EXIT.launcher });
	}
	const [only, ...others] = running;
	if (!only) {
		throw new Fault("No machine is running", {
			fix: "start one: `virtualghost`, or `virtualghost run --detach`",
			exitCode: EXIT.launcher,
		});
	}
	if (others.length === 0) return only;
	throw new Fault("Which machine? More than one is running", {
		why: describeRunning(running),
		fix: "say its name",
		exitCode: EXIT.usage,
	});
}

function describeRunning(running: readonly FoundInstance[]): string {
	if (running.length === 0) return "none is running at all";
	return `running: ${running.map(({ record }) => record.name).join(", ")}`;
}

/** Whether the launcher that owns `folder` lives; its record may be damaged, or of another version. */
export function isRunning(folder: string, record: InstanceRecord | null): boolean {
	return isLockHeld(join(folder, INSTANCE_FILE.lock)) ?? (record !== null && isAlive(record.launcher));
}

/** Names of all machines that run, those with a record that cannot be read included. */
export function livingNames(runtime: string): Set<string> {
	const isLiving = (name: string) => isRunning(join(runtime, name), readRecord(join(runtime, name)));
	return new Set(foldersOf(runtime).filter((name) => !name.startsWith(".") && isLiving(name)));
}

/** Ends what killed launchers left running and removes their folders. Returns how many there were. */
export function sweepDead(runtime: string): number {
	return foldersOf(runtime).filter((name) => sweep(runtime, join(runtime, name))).length;
}

/**
 * Under the folder's own lock: between a look at it and its removal another start may have swept it and claimed its name. It loses its
 * name first, in one step.
 */
function sweep(runtime: string, folder: string): boolean {
	if (basename(folder).startsWith(".") && !isOld(folder)) return false;
	if (isRunning(folder, readRecord(folder))) return false;
	using lock = takeLockOf(folder);
	if (lock === null) return false;
	for (const child of readRecord(folder)?.children ?? []) {
		if (isAlive(child)) signalQuietly(-child.pid, "SIGKILL");
	}
	const nameless = join(runtime, `.${randomBytes(4).toString("hex")}`);
	try {
		renameSync(folder, nameless);
	} catch {
		return false;
	}
	rmSync(nameless, { recursive: true, force: true });
	return true;
}

function takeLockOf(folder: string): Disposable | null {
	try {
		return takeLock(join(folder, INSTANCE_FILE.lock));
	} catch {
		// No folder of ours, or one that an older version made: nobody can hold what is not there.
		return { [Symbol.dispose]: () => {} };
	}
}

function isOld(folder: string): boolean {
	const stat = statSync(folder, { throwIfNoEntry: false });
	return stat !== undefined && Date.now() - stat.mtimeMs > UNNAMED_MS_MAX;
}

/** @throws Fault if the runtime folder is another user's: what lies there must not be believed. */
function foldersOf(runtime: string): string[] {
	if (!existsSync(runtime)) return [];
	ensurePrivateFolder(runtime);
	return readdirSync(runtime);
}

/** Null where there is no folder of ours, or its record is damaged. */
export function readRecord(folder: string): InstanceRecord | null {
	try {
		return instanceRecordSchema.parse(JSON.parse(readFileSync(join(folder, INSTANCE_FILE.record), "utf8")));
	} catch {
		return null;
	}
}
