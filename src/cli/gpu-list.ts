/** `virtualghost gpu list`: the graphics cards, and whether each can be passed. */
import { EXIT } from "../errors.ts";
import { discover } from "../vfio/discover.ts";
import { hostFiles } from "../vfio/files.ts";
import type { Context } from "./context.ts";
import type { GpuFlags } from "./gpu.ts";
import { print } from "./output.ts";

export function gpuList(_context: Context, _flags: GpuFlags): number {
	print(`${JSON.stringify(discover(hostFiles()).functions, null, 2)}\n`);
	return EXIT.ok;
}
