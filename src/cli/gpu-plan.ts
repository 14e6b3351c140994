/** `virtualghost gpu plan BDF`: what handing over a card would do. */
import { EXIT } from "../errors.ts";
import { discover } from "../vfio/discover.ts";
import { hostFiles } from "../vfio/files.ts";
import { planPassthrough } from "../vfio/plan.ts";
import type { Context } from "./context.ts";
import { type GpuFlags, requireBdf } from "./gpu.ts";
import { print } from "./output.ts";

export function gpuPlan(_context: Context, flags: GpuFlags): number {
	const plan = planPassthrough(discover(hostFiles()), requireBdf(flags), process.getuid?.() ?? 0);
	print(`${JSON.stringify(plan, null, 2)}\n`);
	return EXIT.ok;
}
