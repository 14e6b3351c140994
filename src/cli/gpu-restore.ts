/** `virtualghost gpu restore`. */
import { Fault } from "../errors.ts";
import type { Context } from "./context.ts";
import type { GpuFlags } from "./gpu.ts";

export function gpuRestore(_context: Context, _flags: GpuFlags): Promise<number> {
	throw new Fault("gpu restore is not made yet");
}
