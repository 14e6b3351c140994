/** The few calls of the C library that Bun has no name for. musl and glibc agree on all of them. */
import { dlopen, FFIType } from "bun:ffi";

const { i32, u32, u64, ptr } = FFIType;

// musl's loader answers to every name that begins with "libc.", so this opens the C library on glibc and on musl.
export const libc = dlopen("libc.so.6", {
	socket: { args: [i32, i32, i32], returns: i32 },
	bind: { args: [i32, ptr, u32], returns: i32 },
	listen: { args: [i32, i32], returns: i32 },
	close: { args: [i32], returns: i32 },
	posix_openpt: { args: [i32], returns: i32 },
	grantpt: { args: [i32], returns: i32 },
	unlockpt: { args: [i32], returns: i32 },
	ptsname_r: { args: [i32, ptr, u64], returns: i32 },
	clock_settime: { args: [i32, ptr], returns: i32 },
	sethostname: { args: [ptr, u64], returns: i32 },
	// Variadic in C; its third argument is a pointer in every use here.
	ioctl: { args: [i32, u64, ptr], returns: i32 },
}).symbols;
