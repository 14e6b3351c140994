/** Starts from snapshots, and the making of them, for a run: which one fits, whether it is sound, and what happens if not. */
import { existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { Fault, reason } from "../../errors.ts";
import { childEnvironment } from "../../host/child-environment.ts";
import { rejectOn } from "../../interrupts.ts";
import { decide, inheritedChannels, type RunFacts } from "../../plan/decide.ts";
import type { MachinePlan } from "../../plan/machine-plan.ts";
import { snapshotShape, whyNoSnapshot } from "../../plan/snapshot.ts";
import { type BootRequest, recallFallback, settle } from "../boot.ts";
import { openInheritedChannels } from "../channels.ts";
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

/** A machine that is being made must not get into the way of those that are used. */
const NICENESS = 19;
/** Left to the host beside the guest's memory when one is made without being asked for. */
const SPARE_BYTES = 1024 ** 3;
const MIB = 1024 * 1024;

/** Null with the reason where machines like this one start cold. */
export function findFitting(request: WarmRequest): Fitting | { readonly why: string } {
	const { config, host, qemu, images, cache } = request;
	const plan = decide(config, host, qemu.facts, images, {
		headless: request.headless,
		passthrough: request.passthrough ?? [],
		fallback: recallFallback(request),
		instanceFolder: request.instance.folder,
		channels: inheritedChannels(),
		credentialFiles: [],
	});
	const why = whyNoSnapshot(plan, config.vm.control);
	if (why !== null) return { why };
	const own = [config.vm.kernel, config.vm.rootfs].map((path) => (path === null ? "" : fileMark(path)));
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
	const damage = checkSnapshot(folder, key);
	if (damage !== null) return giveUp(request, folder, damage);
	request.report.detail(`snapshot: ${key}`);
	const machine = await startFrom(request, fitting.plan, join(folder, SNAPSHOT_FILE.ram), "restore", {
		instance: request.instance,
		logs: request.logs,
	});
	try {
		await Promise.race([restoreInto(machine, folder, request.instance.name), rejectOn(request.signal)]);
		settle(request, machine, []);
		return machine;
	} catch (error) {
		await machine[Symbol.asyncDispose]();
		if (request.signal.aborted) throw error;
		const why =
			error instanceof Fault ? [error.message, error.details.why?.trim().split("\n").at(-1)] : [reason(error)];
		return giveUp(request, folder, why.filter(Boolean).join(": "));
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
		instanceFolder: owner.instance.folder,
		channels: channels.planned,
		credentialFiles: [],
	};
	// Nobody looks at a machine that is being made, whatever window was asked for.
	const config =
		role === "make"
			? { ...request.config, display: { ...request.config.display, backend: "none" as const } }
			: request.config;
	return await Machine.start({
		plan: decide(config, request.host, request.qemu.facts, request.images, facts),
		qemu: request.qemu.facts,
		env: childEnvironment(request.env, request.qemu.env),
		...owner,
		keys: request.credentials.keys,
		channels: channels.source,
	});
}

/** Why no snapshot should be made now without being asked for; null if it may. */
export function whyNotNow({ plan, folder }: Fitting): string | null {
	if (existsSync(folder)) return "there is one";
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
	const folder = request.instance.path("s");
	mkdirSync(folder, { mode: 0o700 });
	try {
		const owner = {
			instance: { folder, adopt: (pid: number) => request.instance.adopt(pid) },
			logs: request.logs.inside("snapshot"),
		};
		await using machine = await startFrom(request, plan, join(draft.folder, SNAPSHOT_FILE.ram), "make", owner);
		os.setPriority(machine.child.pid, NICENESS);
		const bootMs = request.config.timeouts.bootSeconds * 1000;
		await Promise.race([saveMachine(machine, draft.folder, bootMs), rejectOn(request.signal)]);
		draft.publish();
		trimSnapshots(request.cache, request.config.snapshot.diskMiB);
		return true;
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}
