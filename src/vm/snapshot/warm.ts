/** Starts from snapshots, and the making of them, for a run: which one fits, whether it is sound, and what happens if not. */
import { existsSync, mkdirSync, rmSync, statfsSync, statSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { Fault, reason } from "../../errors.ts";
import { childEnvironment } from "../../host/child-environment.ts";
import { lowerPriority } from "../../host/limits.ts";
import { rejectOn } from "../../interrupts.ts";
import { decide, inheritedChannels, type RunFacts } from "../../plan/decide.ts";
import { isDisplayFailure } from "../../plan/fallback.ts";
import type { MachinePlan } from "../../plan/machine-plan.ts";
import { snapshotShape, whyNoSnapshot } from "../../plan/snapshot.ts";
import { type BootRequest, ownerOf, recallFallback, settle } from "../boot.ts";
import { openInheritedChannels } from "../channels.ts";
import { forgetBroken, recallBroken, rememberBroken } from "../host-memory.ts";
import { MAKER_FOLDER } from "../instance-record.ts";
import { Machine, type MachineParts } from "../machine.ts";
import { saveMachine } from "./make.ts";
import { restoreInto } from "./restore.ts";
import {
	checkSnapshot,
	openDraft,
	removeSnapshot,
	SNAPSHOT_FILE,
	snapshotKey,
	snapshotPath,
	trimSnapshots,
} from "./store.ts";

export interface WarmRequest extends BootRequest {
	/** Cache folder. */
	readonly cache: string;
}

/** What a start like this one could be restored from, whether it is there or not. */
export interface Fitting {
	readonly key: string;
	readonly folder: string;
	/** The cold machine. */
	readonly plan: MachinePlan;
}

/** For a QEMU whose connection has just ended to be gone. */
const ENDING_MS = 500;
/** A machine that is being made must not get into the way of those that are used. */
const NICENESS = 19;
/** Left to the host beside the guest's memory when one is made without being asked for. */
const SPARE_BYTES = 1024 ** 3;
const MIB = 1024 * 1024;
/** What one has been seen to take, with a margin. */
const LARGEST_MIB = 600;

/** Null with the reason where machines like this one start cold. */
export function findFitting(request: WarmRequest): Fitting | { readonly why: string } {
	const { config, host, qemu, images, cache } = request;
	const plan = decide(config, host, qemu.facts, images, {
		headless: request.headless,
		passthrough: request.passthrough ?? [],
		hasFiles: request.hasFiles ?? false,
		fallback: recallFallback(request),
		instanceFolder: request.instance.machineFolder,
		channels: inheritedChannels(),
		credentialFiles: [],
	});
	const why = whyNoSnapshot(plan, config.vm.control);
	if (why !== null) return { why };
	const own = [config.vm.kernel, config.vm.rootfs].map((path) => (path === null ? "" : `${path} ${fileMark(path)}`));
	const outside = { host: request.hostKey, processor: os.cpus()[0]?.model ?? "", own: own.join(" ") };
	const key = snapshotKey(snapshotShape(plan, outside));
	return { key, folder: snapshotPath(cache, key), plan };
}

/** Changes when somebody replaces the file. */
function fileMark(path: string): string {
	const { ino, size, mtimeMs } = statSync(path);
	return `${ino} ${size} ${mtimeMs}`;
}

/** The restored machine, or null where there is none to restore: then a cold start is due. @throws the reason of `signal` */
export async function bootWarm(request: WarmRequest): Promise<Machine | null> {
	const fitting = findFitting(request);
	if ("why" in fitting) {
		request.report.detail(`snapshot: no (${fitting.why})`);
		return null;
	}
	const { folder, key } = fitting;
	if (!existsSync(folder)) {
		request.report.detail("snapshot: none yet");
		return null;
	}
	const known = recallBroken(request.state, "snapshot", key);
	if (known) {
		request.report.detail(`snapshot: no, it failed on ${known.at.slice(0, 10)} (${known.why}); prewarm makes another`);
		return null;
	}
	const damage = checkSnapshot(folder, key);
	if (damage !== null) return giveUp(request, folder, damage);
	const inode = statSync(folder).ino;
	request.report.detail(`snapshot: ${key}`);
	const machine = await startFrom(request, fitting.plan, join(folder, SNAPSHOT_FILE.ram), "restore", {
		...ownerOf(request),
		logs: request.logs,
	});
	try {
		// Devices and memory are of one snapshot only if nobody has put another one there meanwhile.
		const isSame = () => statSync(folder, { throwIfNoEntry: false })?.ino === inode;
		await Promise.race([restoreInto(machine, folder, request.instance.name, isSame), rejectOn(request.signal)]);
		settle(request, machine, []);
		return machine;
	} catch (error) {
		// The window was closed before the agent answered: the caller sees that the machine has ended.
		if (!request.signal.aborted && (await machine.child.exitsWithin(ENDING_MS)) && (await machine.child.exited) === 0)
			return machine;
		const output = machine.qemuTail();
		await machine[Symbol.asyncDispose]();
		if (request.signal.aborted) throw error;
		// No window is no fault of the snapshot's; the cold start says it better.
		if (isDisplayFailure({ kind: "exited", output, exitCode: 1 })) return null;
		const why =
			error instanceof Fault ? [error.message, error.details.why?.trim().split("\n").at(-1)] : [reason(error)];
		const text = why.filter(Boolean).join(": ");
		// It was sound and did not work here: another one would not either.
		rememberBroken(request.state, "snapshot", key, key, text);
		return giveUp(request, folder, text);
	}
}

function giveUp(request: WarmRequest, folder: string, why: string): null {
	request.report.warn(`the snapshot cannot be used (${why}); starting without it`);
	request.logs.note(`snapshot removed: ${why}`);
	removeSnapshot(folder);
	return null;
}

/** The same machine as `plan`, but for what a snapshot asks for. */
async function startFrom(
	request: WarmRequest,
	plan: MachinePlan,
	ramFile: string,
	role: "make" | "restore",
	owner: Pick<MachineParts, "instance" | "logs">,
): Promise<Machine> {
	await using channels = openInheritedChannels();
	const { accelerator, cpu, gpu } = plan;
	const facts: RunFacts = {
		headless: role === "make" || request.headless,
		fallback: { accelerator, cpu, gpu },
		snapshot: { role, ramFile },
		name: role === "make" ? undefined : request.instance.name,
		disks: role === "make" ? [] : (request.disks ?? []),
		hasFiles: request.hasFiles ?? false,
		instanceFolder: owner.instance.folder,
		channels: channels.planned,
		credentialFiles: [],
	};
	// Nobody looks at a machine that is being made, whatever window was asked for.
	const noWindow = { ...request.config.display, backend: "none", window: "auto" } as const;
	const config = role === "make" ? { ...request.config, display: noWindow } : request.config;
	return await Machine.start({
		plan: decide(config, request.host, request.qemu.facts, request.images, facts),
		qemu: request.qemu.facts,
		env: childEnvironment(request.env, request.qemu.env),
		...owner,
		keys: request.credentials.keys,
		policy: request.policy,
		cage: request.cage,
		channels: channels.source,
		executable: request.executable,
		hungMs: request.config.timeouts.hungSeconds * 1000,
	});
}

/** Why no snapshot should be made now without being asked for; null if it may. */
export function whyNotNow({ plan, folder, key }: Fitting, { state, cache, config }: WarmRequest): string | null {
	if (existsSync(folder)) return "there is one";
	const known = recallBroken(state, "snapshot", key);
	if (known) return `one failed here on ${known.at.slice(0, 10)}: ${known.why}`;
	if (config.snapshot.diskMiB < LARGEST_MIB) return "snapshot.disk is less than one takes";
	const { bavail, bsize } = statfsSync(cache);
	if (bavail * bsize < SPARE_BYTES + plan.memoryMiB * MIB) return "there is little disk space left";
	if (os.freemem() < plan.memoryMiB * MIB + SPARE_BYTES) return "this host has little memory left";
	return null;
}

/**
 * Makes the snapshot that fits `request`, with the lowest priority. False where somebody else is making it.
 *
 * @throws Fault if it cannot be made; the reason of `signal`
 */
export async function makeSnapshot(request: WarmRequest, { plan, key }: Fitting): Promise<boolean> {
	using draft = openDraft(request.cache, key);
	if (draft === null) return false;
	const folder = request.instance.path(MAKER_FOLDER);
	mkdirSync(folder, { mode: 0o700 });
	try {
		const owner = {
			instance: { folder, adopt: (pid: number) => request.instance.adopt(pid) },
			logs: request.logs.inside("snapshot"),
		};
		await using machine = await startFrom(request, plan, join(draft.folder, SNAPSHOT_FILE.ram), "make", owner);
		lowerPriority(machine.child.pid, NICENESS);
		const bootMs = request.config.timeouts.bootSeconds * 1000;
		await Promise.race([saveMachine(machine, draft.folder, bootMs), rejectOn(request.signal)]);
		draft.publish();
		forgetBroken(request.state, "snapshot");
		trimSnapshots(request.cache, request.config.snapshot.diskMiB);
		return true;
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}
