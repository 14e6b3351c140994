/** `virtualghost gpu`: the graphics cards of this system, and handing one to a guest (Linux). */
import { EXIT, Fault, printable } from "../errors.ts";
import { hostPlatform } from "../host/facts.ts";
import { type Bdf, parseBdf } from "../vfio/bdf.ts";
import { tendLeftovers } from "../vfio/pending.ts";
import { shown } from "../vfio/text.ts";
import type { Context } from "./context.ts";
import { printError } from "./output.ts";

export interface GpuFlags {
	readonly action?: string;
	readonly bdf?: string;
	readonly json: boolean;
	readonly force: boolean;
}

/** Each action is loaded when it is called for. Resolves with the exit code. @throws Fault */
export async function gpu(context: Context, flags: GpuFlags): Promise<number> {
	if (flags.action === undefined) return (await import("./gpu-routes.ts")).gpuRoutes(context, flags);
	requireLinux(flags.action);
	if (flags.action !== "restore") {
		await tendLeftovers({
			env: context.env,
			warn: (text) => printError(`virtualghost: warning: ${printable(text)}\n`),
		});
	}
	switch (flags.action) {
		case "list":
			return (await import("./gpu-list.ts")).gpuList(context, flags);
		case "plan":
			return (await import("./gpu-plan.ts")).gpuPlan(context, flags);
		case "apply":
			return await (await import("./gpu-apply.ts")).gpuApply(context, flags);
		case "restore":
			return await (await import("./gpu-restore.ts")).gpuRestore(context, flags);
		default:
			throw new Fault(`gpu ${shown(flags.action)}: there is no such action`, {
				fix: "list, plan, apply or restore",
				exitCode: EXIT.usage,
			});
	}
}

function requireLinux(action: string): void {
	const platform = hostPlatform();
	if (platform === "linux") return;
	throw new Fault(`gpu ${shown(action)} needs Linux`, {
		why: `only Linux can hand a graphics card to a guest (VFIO); this is ${platform === "darwin" ? "macOS" : "Windows"}`,
		fix: "virtualghost gpu shows what there is without it",
	});
}

/** The address that the user gave. @throws Fault if there is none, or it is none */
export function requireBdf({ action, bdf }: GpuFlags): Bdf {
	const parsed = bdf === undefined ? null : parseBdf(bdf);
	if (parsed !== null) return parsed;
	const what = bdf === undefined ? `gpu ${action} needs a card's address` : `${shown(bdf)} is no address of a PCI card`;
	throw new Fault(what, {
		why: "it looks like 01:00.0 or 0000:01:00.0",
		fix: "virtualghost gpu list shows the addresses",
		exitCode: EXIT.usage,
	});
}
