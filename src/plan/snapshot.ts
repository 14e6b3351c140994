/** Which machines can be started from a snapshot, and how a snapshot's machine differs from a cold one. Pure. */

import { isAtLeast } from "./facts.ts";
import type { Gpu, MachinePlan } from "./machine-plan.ts";
import { networkWord } from "./network.ts";
import { isUsualWindow } from "./window.ts";

/** A machine is made into a snapshot once, and restored from it any number of times. */
export interface SnapshotUse {
	readonly role: "make" | "restore";
	/** The guest's memory. Made: written by QEMU. Restored: mapped privately, so that machines share what they do not change. */
	readonly ramFile: string;
}

/** Graphics that a snapshot can hold: a virgl machine is saved before its GPU driver is loaded. */
export type SnapshotGpu = Extract<Gpu, "none" | "software" | "virgl">;

/** QEMU forwards a Unix socket, and maps a file privately for `rom=off`, from here on. */
const QEMU_SINCE = "11.1";

/** Why a machine like this one cannot be started from a snapshot; null if it can. `plan` is that of a cold start. */
export function whyNoSnapshot(plan: MachinePlan, controlWish: string): string | null {
	if (plan.platform !== "linux" || plan.arch !== "x64") return "snapshots need Linux on x86-64";
	if (!isAtLeast(plan.qemuVersion, QEMU_SINCE)) return `snapshots need QEMU ${QEMU_SINCE} or newer`;
	if (plan.images.drivers !== null) return "a driver pack is for cards that cannot be in a snapshot";
	if (plan.gpu === "vfio") return "a card of the host's cannot be in a snapshot";
	if (controlWish !== "auto" && controlWish !== "unix") return `--control ${controlWish} cannot be in a snapshot`;
	return null;
}

/** Whether a machine that is restored has its terminal on the screen from the first moment. */
export function isDrawn({ gpu, sessionLater, window }: MachinePlan): boolean {
	return gpu === "software" && !sessionLater && isUsualWindow(window);
}

/** Everything that a machine's saved state depends on, as text: two machines with the same text can take each other's. */
export function snapshotShape(plan: MachinePlan, outside: Readonly<Record<string, string>>): string {
	const { qemuVersion, accelerator, cpu, vcpus, memoryMiB, gpu, images } = plan;
	// The session of a software screen runs in there already, with its keyboard.
	const keymap = gpu === "none" ? null : plan.window.keymap;
	// With virgl the session comes after the restore in any case.
	const sessionLater = plan.sessionLater && gpu === "software";
	// The display is the host's side only, and whether the guest may step down is told to each machine anew. What the images hold is in
	// `outside`; where they lie (in the executable, in the cache) changes nothing for the guest.
	const network = plan.network.kind === "none" ? "none" : networkWord(plan);
	const own = {
		qemuVersion,
		accelerator,
		cpu,
		vcpus,
		memoryMiB,
		gpu,
		keymap,
		look: images.look,
		network,
		sessionLater,
	};
	return JSON.stringify({ ...own, outside });
}
