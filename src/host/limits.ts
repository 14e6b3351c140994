/** Limits of this process, which its children inherit. Linux with glibc; elsewhere nothing changes. */
import { dlopen, FFIType, ptr } from "bun:ffi";

const RLIMIT_CORE = 4;
const PRIO_PGRP = 1;

function libc() {
	const { i32, u32, ptr: pointer } = FFIType;
	return dlopen("libc.so.6", {
		setrlimit: { args: [i32, pointer], returns: i32 },
		setpriority: { args: [i32, u32, i32], returns: i32 },
	}).symbols;
}

/** No core dumps of this process, which holds keys, nor of QEMU, which holds the guest's secrets. */
export function forbidCoreDumps(): void {
	if (process.platform !== "linux") return;
	libc().setrlimit(RLIMIT_CORE, ptr(new BigUint64Array([0n, 0n])));
}

/** Lowers the priority of a child and of all in its process group: QEMU is the child of its cage. */
export function lowerPriority(group: number, niceness: number): void {
	if (process.platform === "linux") libc().setpriority(PRIO_PGRP, group, niceness);
}
