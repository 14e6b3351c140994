/** A socket out of a descriptor that is connected already (inherited by a child's other end, or opened through FFI). */
import net from "node:net";

/**
 * The stream; it flows when it has a reader. It is open at once: Bun (1.4.5) emits no "connect" for it.
 * `new net.Socket({ fd })` would stay silent. Errors close it, and show as "close".
 */
export function adoptSocket(fd: number): net.Socket {
	// Node's types do not know `fd` here.
	const socket = net.connect({ fd } as unknown as net.NetConnectOpts);
	socket.on("error", () => socket.destroy());
	return socket;
}
