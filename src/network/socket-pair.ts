/** Two connected sockets for two children to talk over, without this process in between. Linux. */

import { dlopen, FFIType, ptr } from "bun:ffi";
import { closeSync } from "node:fs";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;

export interface SocketPair extends Disposable {
	readonly fds: readonly [number, number];
}

/** Dispose of it as soon as the children have their ends: as long as this process holds one, nobody sees the other closed. */
export function openSocketPair(): SocketPair {
	const { i32, ptr: pointer } = FFIType;
	const libc = dlopen("libc.so.6", { socketpair: { args: [i32, i32, i32, pointer], returns: i32 } });
	const fds = new Int32Array(2);
	if (libc.symbols.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ptr(fds)) !== 0) {
		throw new Error("the system gives no pair of sockets");
	}
	const [one = -1, other = -1] = fds;
	return {
		fds: [one, other],
		[Symbol.dispose]: () => {
			closeSync(one);
			closeSync(other);
		},
	};
}
