/** An AF_VSOCK listener through bun:ffi, handed to `net.Server` as a descriptor. Bun has no vsock of its own. */
import { ptr } from "bun:ffi";
import type net from "node:net";
import { AF_VSOCK, sockaddrVm, VMADDR_CID_ANY } from "../src/wire/vsock.ts";
import { libc } from "./libc.ts";

const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const BACKLOG = 64;

/**
 * Binds `port` for every peer and lets `server` accept on it.
 *
 * @throws Error naming the call that failed (bun:ffi does not give errno).
 */
export async function listenVsock(server: net.Server, port: number): Promise<void> {
	const fd = libc.socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) throw new Error("socket(AF_VSOCK) failed: is the module vmw_vsock_virtio_transport loaded?");
	const address = sockaddrVm(VMADDR_CID_ANY, port);
	if (libc.bind(fd, ptr(address), address.byteLength) !== 0) throw new Error(`bind to vsock port ${port} failed`);
	if (libc.listen(fd, BACKLOG) !== 0) throw new Error(`listen on vsock port ${port} failed`);
	await new Promise<void>((resolve, reject) => {
		server.once("error", reject);
		server.listen({ fd }, () => {
			server.off("error", reject);
			resolve();
		});
	});
}
