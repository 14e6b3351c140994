/** `run --gpu BDF`: takes the card from the host before the machine starts, and gives it back when QEMU is gone. */
import type { Config } from "../config/schema.ts";
import { guestMemoryMiB } from "../plan/decide.ts";
import type { HostFacts } from "../plan/facts.ts";
import { isPassthrough } from "../plan/gpu.ts";
import { checkedPlan, type HeldGpu, takeGpu } from "../vfio/take.ts";
import type { Context } from "./context.ts";
import type { Report } from "./report.ts";

export interface CardWish {
	readonly config: Config;
	readonly host: HostFacts;
	/** In spite of the obstacles that may be overridden. */
	readonly force: boolean;
}

/** Null where no card is asked for. Dispose of it after the machine. @throws Fault naming every obstacle, before anything is changed */
export async function takeCard(
	context: Context,
	{ config, host, force }: CardWish,
	report: Report,
	signal: AbortSignal,
): Promise<HeldGpu | null> {
	if (!isPassthrough(config)) return null;
	return await takeGpu({
		gpu: config.gpu.mode,
		force,
		memoryMiB: guestMemoryMiB(config, host),
		warn: (text) => report.warn(text),
		stage: (text) => report.stage(text),
		env: context.env,
		signal,
	});
}

/** What a run would pass, for a dry run. @throws Fault where it would be refused */
export function plannedFunctions({ config, host, force }: CardWish): readonly string[] {
	if (!isPassthrough(config)) return [];
	return checkedPlan(config.gpu.mode, force, guestMemoryMiB(config, host)).passed;
}
