/** `virtualghost stop [NAME]`: shuts a machine down as Ctrl+C in its launcher does; with --force at once, whatever it does. */
import { setTimeout as sleep } from "node:timers/promises";
import { EXIT, Fault } from "../errors.ts";
import { isAlive, signalQuietly } from "../host/processes.ts";
import { sendCommand } from "../vm/command-socket.ts";
import {
	type FoundInstance,
	findInstance,
	isRunning,
	readRecord,
	runningInstances,
	sweepDead,
} from "../vm/registry.ts";
import type { Context } from "./context.ts";
import { print } from "./output.ts";

export interface StopFlags {
	readonly name: string | undefined;
	readonly force: boolean;
	readonly all: boolean;
}

/** A guest on software emulation may take half a minute, and then come QMP, TERM and KILL. */
const STOP_TIMEOUT_MS = 60_000;
const FORCE_TIMEOUT_MS = 10_000;
const LOOK_AGAIN_MS = 50;

export async function stop(context: Context, flags: StopFlags): Promise<number> {
	if (flags.all && flags.name !== undefined) {
		throw new Fault("--all stops every machine: a name makes no sense with it", { exitCode: EXIT.usage });
	}
	const { runtime } = context.directories;
	const meant = flags.all ? runningInstances(runtime) : [findInstance(runtime, flags.name)];
	const outcomes = await Promise.allSettled(meant.map((found) => stopOne(found, flags.force)));
	sweepDead(runtime);
	print(meant.map(({ record }, i) => (outcomes[i]?.status === "fulfilled" ? `${record.name}\n` : "")).join(""));
	for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
	return EXIT.ok;
}

async function stopOne(found: FoundInstance, force: boolean): Promise<void> {
	const asked = sendCommand(found.folder, { command: "stop", force }).then(
		() => null,
		(error: unknown) => error,
	);
	const deadline = Date.now() + (force ? FORCE_TIMEOUT_MS : STOP_TIMEOUT_MS);
	const outcome = await Promise.race([asked, sleep(force ? FORCE_TIMEOUT_MS : STOP_TIMEOUT_MS, null)]);
	// A launcher that has not got that far has no command socket yet.
	if (outcome && isAlive(found.record.launcher)) signalQuietly(found.record.launcher.pid, "SIGTERM");
	// A machine that ends while it is asked closes the connection: that is no refusal.
	if (await endsWithin(found, deadline - Date.now())) return;
	if (force) {
		kill(found);
		if (await endsWithin(found, FORCE_TIMEOUT_MS)) return;
	}
	throw new Fault(`The machine ${found.record.name} does not stop`, {
		why: outcome instanceof Fault ? (outcome.details.why ?? outcome.message) : undefined,
		fix: force ? undefined : `use virtualghost stop ${found.record.name} --force`,
	});
}

async function endsWithin(found: FoundInstance, milliseconds: number): Promise<boolean> {
	const end = Date.now() + milliseconds;
	while (isRunning(found.folder, readRecord(found.folder))) {
		if (Date.now() > end) return false;
		await sleep(LOOK_AGAIN_MS);
	}
	return true;
}

/** A launcher that hangs: its children first, so that nothing is left that it could look after. */
function kill(found: FoundInstance): void {
	const record = readRecord(found.folder) ?? found.record;
	for (const child of record.children) if (isAlive(child)) signalQuietly(-child.pid, "SIGKILL");
	if (isAlive(record.launcher)) signalQuietly(record.launcher.pid, "SIGKILL");
}
