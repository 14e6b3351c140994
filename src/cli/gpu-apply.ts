/** `virtualghost gpu apply`. */
import { Fault } from "../errors.ts";
import type { Context } from "./context.ts";
import type { GpuFlags } from "./gpu.ts";

export function gpuApply(_context: Context, _flags: GpuFlags): Promise<number> {
	throw new Fault("gpu apply is not made yet");
}
