/** The kernel's own events (netlink(7), NETLINK_KOBJECT_UEVENT), so that nobody has to look whether something has changed. */
import { ptr } from "bun:ffi";
import net from "node:net";
import { libc } from "./libc.ts";

const AF_NETLINK = 16;
const NETLINK_KOBJECT_UEVENT = 15;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
/** Group 1 is the kernel; udev's is 2. */
const KERNEL_GROUP = 1;

/** Calls `listener` with the fields of each event of `subsystem`. @throws Error naming the call that failed */
export function watchUevents(subsystem: string, listener: (fields: ReadonlyMap<string, string>) => void): net.Socket {
	const fd = libc.socket(AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	if (fd < 0) throw new Error("socket(AF_NETLINK) failed");
	// struct sockaddr_nl: family, padding, port id (0: any), groups
	const address = Buffer.alloc(12);
	address.writeUInt16LE(AF_NETLINK, 0);
	address.writeUInt32LE(KERNEL_GROUP, 8);
	if (libc.bind(fd, ptr(address), address.byteLength) !== 0) throw new Error("bind to the kernel's events failed");
	// Node's types do not know `fd` here.
	const socket = net.connect({ fd } as unknown as net.NetConnectOpts);
	socket.on("data", (bytes: Buffer) => {
		for (const fields of parseUevents(bytes)) if (fields.get("SUBSYSTEM") === subsystem) listener(fields);
	});
	return socket;
}

/** `ACTION@PATH`, then fields, a NUL after each. One read may give several events. */
export function parseUevents(bytes: Buffer): Map<string, string>[] {
	const events: Map<string, string>[] = [];
	for (const text of bytes.toString("utf8").split("\0")) {
		const equals = text.indexOf("=");
		if (/^[a-z]+@\//.test(text)) events.push(new Map());
		else if (equals > 0) events.at(-1)?.set(text.slice(0, equals), text.slice(equals + 1));
	}
	return events;
}
