/** Gives functions back to their drivers, as the journal tells. May be repeated, and goes on behind one that fails. */
import { reason } from "../errors.ts";
import type { Bdf } from "./bdf.ts";
import type { Journal } from "./journal.ts";
import { PCI_DEVICES, readFunction } from "./pci-function.ts";
import { VFIO_PCI } from "./plan.ts";
import { WriteProblem } from "./sysfs.ts";
import type { World } from "./world.ts";

export const DRIVERS_PROBE = "/sys/bus/pci/drivers_probe";

export interface RestoredFunction {
	readonly bdf: Bdf;
	/** The driver that it had. */
	readonly was: string | null;
	/** The driver that it has now. */
	readonly now: string | null;
	/** Why it is not as it was; null if it is, or if the device itself is gone. */
	readonly problem: string | null;
}

type Original = Journal["functions"][number];

/**
 * The last one bound is the first one given back. Never throws.
 *
 * @param hung a function with a write that has not come back: its driver cannot be known, and another write would hang, too
 */
export async function restoreFunctions(
	world: World,
	functions: readonly Original[],
	keep: number | null,
	hung: Bdf | null = null,
): Promise<RestoredFunction[]> {
	const restored: RestoredFunction[] = [];
	for (const original of [...functions].reverse()) {
		const { bdf, driver: was } = original;
		const left = { bdf, was, now: null, problem: "a write to it still hangs in the kernel" };
		restored.unshift(bdf === hung ? left : await restoreFunction(world, original, keep));
	}
	return restored;
}

async function restoreFunction(world: World, original: Original, keep: number | null): Promise<RestoredFunction> {
	const { bdf, driver: was } = original;
	const problems: string[] = [];
	const write = async (name: string, text: string) => {
		try {
			await world.write(name.startsWith("/") ? name : `${PCI_DEVICES}/${bdf}/${name}`, text, keep);
		} catch (error) {
			problems.push(reason(error));
			if (error instanceof WriteProblem && error.kind === "hung") throw error;
		}
	};
	try {
		await restoreSteps(world, original, write);
	} catch {
		// However it looks now, it will look otherwise when the write comes back. A further one would only hang as well.
		return { bdf, was, now: null, problem: problems.join("; ") };
	}
	const now = readFunction(world.files, bdf);
	if (now === null) return { bdf, was, now: null, problem: null };
	if (now.driver === was && now.driverOverride === original.driverOverride)
		return { bdf, was, now: was, problem: null };
	return { bdf, was, now: now.driver, problem: problems.join("; ") || unexplained(original, now.driver) };
}

async function restoreSteps(
	world: World,
	{ bdf, driver: was, driverOverride }: Original,
	write: (name: string, text: string) => Promise<void>,
): Promise<void> {
	const now = readFunction(world.files, bdf);
	// Pulled out: if it comes back, it comes back new.
	if (now === null) return;
	if (now.driver !== was && (now.driver === null || now.driver === VFIO_PCI)) {
		if (now.driver !== null) await write("driver/unbind", bdf);
		if (was !== null) {
			// By name, so that no other driver that knows the device can be quicker.
			await write("driver_override", was);
			await write(DRIVERS_PROBE, bdf);
		}
	}
	if (readFunction(world.files, bdf)?.driverOverride !== driverOverride) {
		await write("driver_override", driverOverride ?? "");
	}
}

function unexplained({ driver: was }: Original, now: string | null): string {
	if (now === VFIO_PCI) return `it is still with ${VFIO_PCI}`;
	if (now !== null) return `somebody gave it to ${now} meanwhile, and it was left there`;
	return was === null
		? "its driver_override is not what it was"
		: `${was} did not take it; is its module still loaded?`;
}
