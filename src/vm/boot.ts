/** Brings a machine to life: tries what the plan says, and steps down where the host cannot do it. */
import type { Config } from "../config/schema.ts";
import { Fault } from "../errors.ts";
import type { PolicyText } from "../filter/policy.ts";
import { childEnvironment } from "../host/child-environment.ts";
import type { FoundQemu } from "../host/qemu.ts";
import { rejectOn } from "../interrupts.ts";
import { findFreePort } from "../network/tcp.ts";
import type { CageFacts } from "../plan/cage.ts";
import { decide, type RunFacts } from "../plan/decide.ts";
import type { HostFacts, ImagePaths } from "../plan/facts.ts";
import { describe, type EarlyFailure, type Fallback, isDisplayFailure, nextAttempt } from "../plan/fallback.ts";
import type { KeptDisk, MachinePlan } from "../plan/machine-plan.ts";
import { openInheritedChannels, openTcpChannels } from "./channels.ts";
import type { RunCredentials } from "./credentials.ts";
import type { Graphics } from "./guest-watch.ts";
import { recallBroken, rememberBroken } from "./host-memory.ts";
import type { Instance } from "./instance.ts";
import type { RunLogs } from "./logs.ts";
import { Machine, type MachineParts } from "./machine.ts";

export interface BootRequest {
	readonly config: Config;
	readonly host: HostFacts;
	readonly qemu: FoundQemu;
	readonly images: ImagePaths;
	/** The launcher's own, open, where images are parts of it. */
	readonly executable: { readonly fd: number; readonly path: string } | null;
	readonly instance: Instance;
	readonly credentials: RunCredentials;
	readonly logs: RunLogs;
	readonly headless: boolean;
	/** PCI functions of the host's that the guest gets. */
	readonly passthrough?: readonly string[];
	readonly disks?: readonly KeptDisk[];
	/** Something is set up in the guest before its session starts. */
	readonly hasFiles?: boolean;
	readonly env: Readonly<Record<string, string | undefined>>;
	/** Null where this host has none. */
	readonly cage: CageFacts | null;
	/** What the guest may reach. */
	readonly policy: PolicyText | null;
	/** State folder, and the key under which a broken accelerator is remembered. */
	readonly state: string;
	readonly hostKey: string;
	readonly report: { warn(text: string): void; stage(text: string): void; detail(text: string): void };
	/** Aborted when the user does not want to wait any longer. */
	readonly signal: AbortSignal;
}

/** With hardware virtualization the kernel speaks within a second or two; beyond this it never will. */
const HARDWARE_SILENCE_MS = 20_000;

/** How often another port, or another vsock context id, is tried when somebody else was quicker than QEMU. */
const ADDRESS_ATTEMPTS_MAX = 5;

/** @throws Fault with the reason of the last attempt. */
export async function boot(request: BootRequest): Promise<Machine> {
	let fallback: RunFacts["fallback"] = recallFallback(request);
	const broken: Broken[] = [];
	const taken = { port: 0, "context-id": 0 };
	for (;;) {
		await using channels = process.platform === "win32" ? await openTcpChannels() : openInheritedChannels();
		const plan = await planAttempt(request, {
			headless: request.headless,
			passthrough: request.passthrough ?? [],
			disks: request.disks ?? [],
			hasFiles: request.hasFiles ?? false,
			fallback,
			name: request.instance.name,
			instanceFolder: request.instance.machineFolder,
			channels: channels.planned,
			credentialFiles: request.credentials.files,
			contextIdsTaken: taken["context-id"],
		});
		for (const why of plan.reasons) request.report.detail(why);
		const machine = await Machine.start({
			plan,
			qemu: request.qemu.facts,
			env: childEnvironment(request.env, request.qemu.env),
			...ownerOf(request),
			logs: request.logs,
			keys: request.credentials.keys,
			policy: request.policy,
			cage: request.cage,
			channels: channels.source,
			executable: request.executable,
			hungMs: request.config.timeouts.hungSeconds * 1000,
		});
		const failure = await firstSignOfLife(machine, silenceMs(plan, request.config), request.signal);
		// Closed by the user before it had started: the caller sees that it has ended.
		const closed = failure?.kind === "exited" && failure.exitCode === 0;
		if (!failure || closed) {
			if (!failure) settle(request, machine, broken);
			return machine;
		}
		await machine[Symbol.asyncDispose]();
		const next = stepDown(request, plan, failure, taken);
		if (next.blames === "port" || next.blames === "context-id") taken[next.blames]++;
		if (next.blames === "accelerator") {
			broken.push({ topic: "accelerator", what: plan.accelerator, why: describe(failure) });
		}
		if (next.blames === "gpu") broken.push({ topic: "gpu", what: plan.gpu, why: describe(failure) });
		fallback = next.choice;
	}
}

/** Deciding is pure: a port is looked for only when the machine turns out to need one. */
async function planAttempt({ config, host, qemu, images }: BootRequest, facts: RunFacts): Promise<MachinePlan> {
	const plan = decide(config, host, qemu.facts, images, facts);
	if (plan.control.kind !== "tcp") return plan;
	return decide(config, host, qemu.facts, images, { ...facts, controlPort: await findFreePort() });
}

/** What failed in this run. */
interface Broken {
	readonly topic: "accelerator" | "gpu";
	readonly what: string;
	readonly why: string;
}

/** Only a guest that lives without it proves that it was to blame. */
export function settle(request: BootRequest, machine: Machine, broken: readonly Broken[]): void {
	for (const each of broken) remember(request, each);
	tellLimits(machine.plan, request.report);
	void machine.network.then((why) => {
		if (why !== null && machine.child.running) tellNoNetwork(request, why);
	});
	let judged = false;
	machine.guest.onGraphics = (graphics) => {
		// Once is enough, and a guest may say anything as often as it likes.
		if (judged || machine.plan.gpu !== "virgl") return;
		judged = graphics.steppedDown !== null && machine.plan.gpuFallback;
		if (judged || graphics.steppedDown === null) judgeGraphics(request, machine.plan, graphics);
	};
}

function tellNoNetwork({ report, logs }: BootRequest, why: string): void {
	report.warn(`the guest has no network (${why})`);
	logs.note(`no network: ${why}`);
}

/** Whose processes and sockets the machine's are. */
export function ownerOf({ instance }: BootRequest): Pick<MachineParts, "instance"> {
	return { instance: { folder: instance.machineFolder, adopt: (pid) => instance.adopt(pid) } };
}

function remember(request: BootRequest, { topic, what, why }: Broken): void {
	rememberBroken(request.state, topic, topic === "gpu" ? gpuKey(request) : request.hostKey, what, why);
}

/** Another driver or card on the host may do better. */
function gpuKey({ host, hostKey }: Pick<BootRequest, "host" | "hostKey">): string {
	return `${hostKey} ${host.gl?.renderer ?? ""} ${host.gl?.version ?? ""}`;
}

/** The guest tells what its clients really get. It has stepped down by itself where that is not good enough. */
function judgeGraphics(request: BootRequest, plan: MachinePlan, graphics: Graphics): void {
	const { version, renderer, steppedDown } = graphics;
	if (steppedDown === null) {
		request.report.detail(`renderer: ${renderer || "none"}, OpenGL ${version || "of no kind"}`);
		return;
	}
	request.report.warn(`${plan.gpu} does not work in the guest (${steppedDown}); it draws in software`);
	request.logs.note(`${plan.gpu} does not work in the guest: ${steppedDown}`);
	remember(request, { topic: "gpu", what: plan.gpu, why: steppedDown });
}

/** As the machine's own, but a machine that nobody waits for is ended. */
async function firstSignOfLife(machine: Machine, timeoutMs: number, signal: AbortSignal): Promise<EarlyFailure | null> {
	try {
		return await Promise.race([machine.firstSignOfLife(timeoutMs), rejectOn(signal)]);
	} catch (error) {
		await machine[Symbol.asyncDispose]();
		throw error;
	}
}

/** QEMU's security policy covers hardware virtualization by KVM and HVF only; the user is told once a run. */
function tellLimits(plan: MachinePlan, report: BootRequest["report"]): void {
	if (plan.accelerator === "kvm" || plan.accelerator === "hvf") return;
	const slow = plan.accelerator === "tcg" ? "is slow, and " : "";
	report.stage(`note: ${plan.accelerator.toUpperCase()} ${slow}QEMU does not promise isolation with it`);
}

function silenceMs(plan: MachinePlan, config: Config): number {
	const boot = config.timeouts.bootSeconds * 1000;
	return plan.accelerator === "tcg" ? boot : Math.min(boot, HARDWARE_SILENCE_MS);
}

type Recall = Pick<BootRequest, "config" | "host" | "state" | "hostKey"> & { report: { detail(text: string): void } };

/** What an earlier run has learned about this host, where the choice is ours. */
export function recallFallback(recall: Recall): RunFacts["fallback"] {
	const accelerator = recallAccelerator(recall);
	const gpu = recallGpu(recall);
	return { ...(accelerator ? { accelerator } : {}), ...(gpu ? { gpu } : {}) };
}

function recallAccelerator({ config, host, state, hostKey, report }: Recall): "tcg" | null {
	if (config.vm.accel !== "auto") return null;
	const known = recallBroken(state, "accelerator", hostKey);
	const first = host.accelerators.find((fact) => fact.usable);
	if (!known || first?.name !== known.what) return null;
	report.detail(`accelerator: tcg, since ${known.what} failed here on ${known.at.slice(0, 10)} (${known.why})`);
	return "tcg";
}

/** Only where the host's OpenGL was asked does this run think of virgl at all. */
function recallGpu(recall: Recall): "software" | null {
	const { config, host, state, report } = recall;
	if (config.gpu.mode !== "auto" || host.gl === null) return null;
	const known = recallBroken(state, "gpu", gpuKey(recall));
	if (known?.what !== "virgl") return null;
	report.detail(`gpu: software, since ${known.what} failed here on ${known.at.slice(0, 10)} (${known.why})`);
	return "software";
}

/** How often the way to the agent was somebody else's. */
interface Taken {
	readonly port: number;
	readonly "context-id": number;
}

function stepDown(request: BootRequest, plan: MachinePlan, failure: EarlyFailure, taken: Taken): Fallback {
	const next = nextAttempt(request.config, plan, failure);
	request.logs.note(`${plan.accelerator}/${plan.gpu} failed: ${describe(failure)}`);
	if (isDisplayFailure(failure)) {
		throw new Fault("The window could not be opened", {
			why: describe(failure),
			fix: "check that DISPLAY or WAYLAND_DISPLAY names a display that you may use; --display none runs without a window",
			log: request.logs.path("qemu"),
		});
	}
	if (next?.blames === "context-id" && taken["context-id"] >= ADDRESS_ATTEMPTS_MAX) {
		throw new Fault("The guest's agent cannot be reached by vsock", {
			why: describe(failure),
			fix: "end the machines of other programs that take vsock context ids, or use --control unix",
			log: request.logs.path("qemu"),
		});
	}
	if (next?.blames === "port" && taken.port >= ADDRESS_ATTEMPTS_MAX) {
		throw new Fault("The port to the guest's agent could not be opened", {
			why: describe(failure),
			fix: "look for a program that takes every port of 127.0.0.1, or use another --control",
			log: request.logs.path("qemu"),
		});
	}
	if (!next) {
		throw new Fault(`The virtual machine did not start with ${plan.accelerator.toUpperCase()}`, {
			why: describe(failure),
			fix:
				plan.accelerator === "tcg" ? "look into the log" : "use --accel auto, which falls back to software emulation",
			log: request.logs.path("qemu"),
			tail: failure.output,
		});
	}
	if (next.warning) request.report.warn(next.warning);
	return next;
}
