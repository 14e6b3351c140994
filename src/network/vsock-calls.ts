/** The system calls behind vsock.ts. Each returns at once; bun:ffi gives no errno, so it is fetched right behind the call. */
import { dlopen, FFIType, ptr, read } from "bun:ffi";
import { AF_VSOCK, sockaddrVm } from "../wire/vsock.ts";

const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const POLLOUT = 4;

/** Numbers of Linux' errors, which Node's constants know on Linux only. */
export const VSOCK_ERROR = {
	/** Nobody has claimed the context id. */
	ENODEV: 19,
	ECONNRESET: 104,
	ENOTCONN: 107,
	/** The kernel has given up waiting for the guest's answer. */
	ETIMEDOUT: 110,
	ECONNREFUSED: 111,
	/** Begun; the result comes later. */
	EINPROGRESS: 115,
} as const;

export interface VsockCalls {
	/** A descriptor that does not block; negative where the kernel knows no vsock. */
	open(): number;
	/** 0 or the error's number. */
	connect(fd: number, cid: number, port: number): number;
	/** How the connection that was begun has gone: null as long as it is not decided, 0 if it stands, else the error's number. */
	result(fd: number): number | null;
	close(fd: number): void;
}

/** Linux with glibc. */
export function kernelVsock(): VsockCalls {
	const { i32, u32, u64, ptr: pointer } = FFIType;
	const libc = dlopen("libc.so.6", {
		socket: { args: [i32, i32, i32], returns: i32 },
		connect: { args: [i32, pointer, u32], returns: i32 },
		poll: { args: [pointer, u64, i32], returns: i32 },
		getsockopt: { args: [i32, i32, i32, pointer, pointer], returns: i32 },
		getpeername: { args: [i32, pointer, pointer], returns: i32 },
		close: { args: [i32], returns: i32 },
		__errno_location: { args: [], returns: pointer },
	}).symbols;
	const errno = () => {
		const location = libc.__errno_location();
		return location === null ? 0 : read.i32(location);
	};
	return {
		open: () => libc.socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
		connect: (fd, cid, port) => {
			const address = sockaddrVm(cid, port);
			return libc.connect(fd, ptr(address), address.byteLength) === 0 ? 0 : errno();
		},
		result: (fd) => {
			// struct pollfd: descriptor, events asked for, events found.
			const poll = new DataView(new ArrayBuffer(8));
			poll.setInt32(0, fd, true);
			poll.setInt16(4, POLLOUT, true);
			if (libc.poll(ptr(poll), 1n, 0) !== 1) return null;
			const error = new Int32Array(1);
			const size = new Uint32Array([4]);
			if (libc.getsockopt(fd, SOL_SOCKET, SO_ERROR, ptr(error), ptr(size)) !== 0) return errno();
			if (error[0] !== undefined && error[0] !== 0) return error[0];
			// Linux calls a socket that has no connection writable, too.
			const peer = new Uint8Array(16);
			const peerSize = new Uint32Array([peer.byteLength]);
			return libc.getpeername(fd, ptr(peer), ptr(peerSize)) === 0 ? 0 : VSOCK_ERROR.ENOTCONN;
		},
		close: (fd) => void libc.close(fd),
	};
}
