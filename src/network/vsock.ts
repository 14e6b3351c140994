/** AF_VSOCK on the host, through bun:ffi: the way to a guest behind the kernel's vhost-vsock. */
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { Fault } from "../errors.ts";
import { adoptSocket } from "./adopt.ts";
import { NOTHING_LISTENS } from "./greeting.ts";
import { kernelVsock, VSOCK_ERROR, type VsockCalls } from "./vsock-calls.ts";

/** As long as the handshake of the other vsock may take (hybrid-vsock.ts). */
const CONNECT_TIMEOUT_MS = 10_000;
/** QEMU claims the context id when it starts; one that nobody has claimed for this long belongs to a machine that is gone. */
const UNCLAIMED_TIMEOUT_MS = 2_000;
/** Between two looks; the answer comes from the same host, so the first ones are close together. */
const LOOK_AGAIN_MS = [1, 2, 4, 8, 16, 32];

export interface VsockTimeouts {
	readonly connectMs: number;
	readonly unclaimedMs: number;
}

/**
 * Connects and returns the stream; nothing blocks. Tries again while nobody has claimed the context id (QEMU is starting) and when the
 * kernel gives up by itself (after 2 s: the guest is too busy to answer).
 *
 * @throws Fault if nothing listens on the port in the guest, or the time is over
 */
export async function connectVsock(
	cid: number,
	port: number,
	calls: VsockCalls = kernelVsock(),
	timeouts: VsockTimeouts = { connectMs: CONNECT_TIMEOUT_MS, unclaimedMs: UNCLAIMED_TIMEOUT_MS },
): Promise<Duplex> {
	return adoptSocket(await connectDescriptor(cid, port, calls, timeouts));
}

/** As `connectVsock`: the connected descriptor, which does not block. @throws Fault */
export async function connectDescriptor(
	cid: number,
	port: number,
	calls: VsockCalls,
	{ connectMs, unclaimedMs }: VsockTimeouts,
): Promise<number> {
	const from = performance.now();
	const since = () => performance.now() - from;
	const refuse = (why: string) =>
		new Fault("The guest's agent cannot be reached", { why: `vsock ${cid}:${port}: ${why}` });
	for (let tries = 0; ; tries++) {
		const fd = calls.open();
		if (fd < 0) throw new Fault("This host's kernel has no AF_VSOCK sockets", { fix: "use --control unix" });
		const error = await finish(fd, calls.connect(fd, cid, port), calls, connectMs - since());
		if (error === 0) return fd;
		calls.close(fd);
		if (error === null) throw refuse(`no answer within ${connectMs / 1000} s`);
		const again =
			(error === VSOCK_ERROR.ENODEV && since() < unclaimedMs) ||
			(error === VSOCK_ERROR.ETIMEDOUT && since() < connectMs);
		if (!again) throw refuse(describe(error));
		await sleep(pause(tries));
	}
}

/** The error number of a connection that was begun, 0 once it stands; null if the time is over first. */
async function finish(fd: number, begun: number, calls: VsockCalls, timeoutMs: number): Promise<number | null> {
	if (begun !== VSOCK_ERROR.EINPROGRESS) return begun;
	const end = performance.now() + timeoutMs;
	for (let looks = 0; ; looks++) {
		const result = calls.result(fd);
		if (result !== null) return result;
		if (performance.now() > end) return null;
		await sleep(pause(looks));
	}
}

function pause(count: number): number {
	return LOOK_AGAIN_MS[Math.min(count, LOOK_AGAIN_MS.length - 1)] ?? 0;
}

function describe(error: number): string {
	switch (error) {
		case VSOCK_ERROR.ENODEV:
			return "no machine on this host has that context id";
		case VSOCK_ERROR.ECONNRESET:
		case VSOCK_ERROR.ECONNREFUSED:
			return NOTHING_LISTENS;
		case VSOCK_ERROR.ETIMEDOUT:
			return "the guest does not answer";
		default:
			return `error ${error}`;
	}
}
