/** AF_VSOCK on the host, through bun:ffi: the way to a guest behind the kernel's vhost-vsock. */
import { dlopen, FFIType, ptr } from "bun:ffi";
import type { Duplex } from "node:stream";
import { Fault } from "../errors.ts";
import { AF_VSOCK, sockaddrVm } from "../wire/vsock.ts";
import { adoptSocket } from "./adopt.ts";

const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;

/**
 * Connects and returns the stream. The connect itself blocks: within one host it either finds the guest's listener or fails
 * at once (ENODEV until QEMU has claimed the context id, ECONNRESET while nothing listens).
 *
 * @throws Fault if the guest does not accept (bun:ffi does not give errno).
 */
export function connectVsock(cid: number, port: number): Duplex {
	const libc = dlopen("libc.so.6", {
		socket: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
		connect: { args: [FFIType.i32, FFIType.ptr, FFIType.u32], returns: FFIType.i32 },
		fcntl: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
		close: { args: [FFIType.i32], returns: FFIType.i32 },
	}).symbols;
	const fd = libc.socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) throw new Fault("This host's kernel has no AF_VSOCK sockets");
	const address = sockaddrVm(cid, port);
	if (libc.connect(fd, ptr(address), address.byteLength) !== 0) {
		libc.close(fd);
		throw new Fault("The guest's agent cannot be reached", { why: `vsock ${cid}:${port} does not accept` });
	}
	libc.fcntl(fd, F_SETFL, O_NONBLOCK);
	return adoptSocket(fd);
}
