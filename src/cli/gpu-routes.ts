/** `virtualghost gpu`: the ways to graphics that this system has. */
import { Fault } from "../errors.ts";
import type { Context } from "./context.ts";
import type { GpuFlags } from "./gpu.ts";

export function gpuRoutes(_context: Context, _flags: GpuFlags): Promise<number> {
	throw new Fault("gpu without an action is not made yet");
}
