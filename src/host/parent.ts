/**
 * The launcher is built with Bun's `--no-orphans`: it kills its children when it ends, and is killed when its parent ends. The
 * first is wanted for QEMU. The second is not wanted for a window or a machine in the background. docs/decisions/detach.md
 */
import { dlopen, FFIType } from "bun:ffi";

const PR_SET_PDEATHSIG = 1;

/** From now on the end of the parent process is no end of this one. Linux only; elsewhere nothing changes. */
export function surviveParent(): void {
	if (process.platform !== "linux") return;
	const { i32, u64 } = FFIType;
	const libc = dlopen("libc.so.6", { prctl: { args: [i32, u64, u64, u64, u64], returns: i32 } });
	libc.symbols.prctl(PR_SET_PDEATHSIG, 0n, 0n, 0n, 0n);
}

/** Ends this process without Bun's exit handlers, which would kill the child that is to live on. */
export function exitLeavingChildren(code: number): never {
	const libc = dlopen("libc.so.6", { _exit: { args: [FFIType.i32], returns: FFIType.void } });
	libc.symbols._exit(code);
	throw new Error("unreachable");
}
