/** What to try next after a machine has failed before its kernel ran. Pure: the attempts are decided, not made, here. */
import type { Config } from "../config/schema.ts";
import type { RunFacts } from "./decide.ts";
import type { MachinePlan } from "./machine-plan.ts";

/** How an attempt ended before the guest gave its first sign of life. */
export interface EarlyFailure {
	readonly kind: "exited" | "internal-error" | "silent";
	/** Last lines of this attempt's QEMU. */
	readonly output: string;
	/** QEMU's exit code, 128 + N for a signal; null while it still runs. */
	readonly exitCode: number | null;
}

export interface Fallback {
	readonly choice: NonNullable<RunFacts["fallback"]>;
	/** One line for the user; null where it is not worth one. */
	readonly warning: string | null;
	/** Whether the hardware accelerator is what failed, which is remembered for this host. */
	readonly blames: "accelerator" | "gpu" | "cpu" | "port" | "context-id";
}

/** QEMU's and its libraries' words when a window with OpenGL cannot be made. */
const GL_FAILURE = /opengl|\begl\b|\bglx\b|virgl|gl context|dri[23]|gl=on|drm render/i;
/** The window system itself cannot be reached. */
const DISPLAY_FAILURE =
	/gtk initialization failed|could not initialize sdl|cannot open display|no available video device/i;
/** The same KVM runs the guest once this feature is not asked for; common on nested CI runners. */
const MSR_FAILURE = /MSR 0x10a/i;

/** Somebody took the port between our look and QEMU's start. Of a forward from a Unix socket it means something else. */
const PORT_TAKEN = /could not set up host forwarding rule/i;

/** Somebody else on this host has the vsock context id. */
const CONTEXT_ID_TAKEN = /unable to set guest cid: address already in use/i;

/** The next attempt, or null if this failure is the user's answer. */
export function nextAttempt(config: Config, plan: MachinePlan, failure: EarlyFailure): Fallback | null {
	if (isDisplayFailure(failure)) return null;
	const taken = takenAddress(plan, failure);
	if (taken) {
		const { accelerator, cpu, gpu } = plan;
		return { choice: { accelerator, cpu, gpu }, warning: null, blames: taken };
	}
	const glBroken = plan.gpu === "virgl" && GL_FAILURE.test(failure.output);
	if (glBroken) {
		if (config.gpu.mode !== "auto") return null;
		return {
			choice: { accelerator: plan.accelerator, cpu: plan.cpu, gpu: "software" },
			warning: `The host's OpenGL cannot be used (${lastLine(failure.output)}); the guest draws in software`,
			blames: "gpu",
		};
	}
	if (plan.accelerator === "tcg") return null;
	const gpu = plan.gpu;
	if (plan.accelerator === "kvm" && plan.cpu === "host" && MSR_FAILURE.test(failure.output)) {
		return { choice: { accelerator: "kvm", cpu: "host,-arch-capabilities", gpu }, warning: null, blames: "cpu" };
	}
	if (config.vm.accel !== "auto" || !blamesAccelerator(failure)) return null;
	return {
		choice: { accelerator: "tcg", gpu },
		warning: `${plan.accelerator.toUpperCase()} cannot run the guest here (${describe(failure)}); using software emulation, which is slow`,
		blames: "accelerator",
	};
}

/** The way to the agent that somebody else was quicker to take. */
function takenAddress({ control }: MachinePlan, { output }: EarlyFailure): "port" | "context-id" | null {
	if (control.kind === "tcp" && PORT_TAKEN.test(output)) return "port";
	return control.kind === "vhost-vsock" && CONTEXT_ID_TAKEN.test(output) ? "context-id" : null;
}

/** Anything else that ends QEMU (no memory, a kernel that is none) would end it with software emulation too. */
function blamesAccelerator(failure: EarlyFailure): boolean {
	if (failure.kind !== "exited") return true;
	const aborted = failure.exitCode !== null && failure.exitCode > 128;
	return aborted || /kvm|hvf|whpx|hypervisor|\bMSR\b/i.test(failure.output);
}

/** Nothing else to try will open a window then. */
export function isDisplayFailure(failure: EarlyFailure): boolean {
	return DISPLAY_FAILURE.test(failure.output);
}

/** One line about the failure, for warnings and errors. */
export function describe(failure: EarlyFailure): string {
	switch (failure.kind) {
		case "exited":
			return lastLine(failure.output) || "QEMU ended at once";
		case "internal-error":
			return "QEMU reports an internal error of the virtual processor";
		case "silent":
			return "the guest gave no sign of life";
	}
}

function lastLine(output: string): string {
	const line = output.trim().split("\n").at(-1) ?? "";
	// In a GTK window it goes by our name.
	return line.replace(/^.*?(?:qemu-system-\w+|ld-linux-[\w-]+\.so\.\d+|virtualghost):\s*/, "").slice(0, 200);
}
