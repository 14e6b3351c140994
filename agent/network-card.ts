/** The way to the world of a machine that was restored: another address on the link than its twins have. */
import { ptr } from "bun:ffi";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { NETWORK_CARD } from "../src/wire/names.ts";
import { libc } from "./libc.ts";

const AF_INET = 2;
const SOCK_DGRAM = 2;
/** linux/sockios.h, linux/if_arp.h */
const SIOCSIFHWADDR = 0x8924n;
const ARPHRD_ETHER = 1;
/** `struct ifreq`: a name of 16 bytes, and room for the largest member of its union. */
const IFREQ_BYTES = 40;

/** In the range of the launcher's own cards. passt takes the address from the first frame that it sees. */
export function renewCardAddress(): void {
	if (!existsSync(`/sys/class/net/${NETWORK_CARD.name}`)) return;
	const request = Buffer.alloc(IFREQ_BYTES);
	request.write(NETWORK_CARD.name, 0, "latin1");
	request.writeUInt16LE(ARPHRD_ETHER, 16);
	request.set([0x52, 0x54, 0x00, ...randomBytes(3)], 18);
	const socket = libc.socket(AF_INET, SOCK_DGRAM, 0);
	const done = libc.ioctl(socket, SIOCSIFHWADDR, ptr(request)) === 0;
	if (socket >= 0) libc.close(socket);
	if (!done) process.stderr.write("virtualghost-agent: the network card keeps its twins' address\n");
}
