/** Runs in a network namespace: a card of this kernel's whose frames go to a socket, as QEMU's do. `bun tap.ts SOCKET` */
import { dlopen, FFIType, ptr } from "bun:ffi";
import { openSync, read, writeSync } from "node:fs";
import net from "node:net";
import { FrameStream, withPrefix } from "../../../src/filter/frames.ts";
import { LINK } from "../../../src/filter/link.ts";
import { NETWORK_CARD } from "../../../src/wire/names.ts";

/** linux/if_tun.h */
const TUNSETIFF = 0x400454can;
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
const FRAME_BYTES_MAX = 70_000;

const card = openSync("/dev/net/tun", "r+");
const request = Buffer.alloc(40);
request.write(NETWORK_CARD.name);
request.writeUInt16LE(IFF_TAP | IFF_NO_PI, 16);
const libc = dlopen("libc.so.6", { ioctl: { args: [FFIType.i32, FFIType.u64, FFIType.ptr], returns: FFIType.i32 } });
if (libc.symbols.ioctl(card, TUNSETIFF, ptr(request)) !== 0) throw new Error("no tap device");
setUp();

const socket = net.connect(process.argv[2] ?? "");
socket.on("close", () => process.exit());
const frames = new FrameStream();
socket.on("data", (chunk: Buffer) => {
	frames.push(chunk, (bytes, at, length) => void writeSync(card, bytes.subarray(at, at + length)));
});
readNext();

/** As the initramfs does it. */
function setUp(): void {
	const { name } = NETWORK_CARD;
	const conf = `/proc/sys/net/ipv6/conf/${name}`;
	const script = `ip link set lo up; ip addr add ${LINK.address}/${LINK.prefixBits} dev ${name}; ip link set ${name} mtu 65520 up
		ip route add default via ${LINK.gateway}; echo 0 >${conf}/accept_dad; echo 0 >${conf}/accept_ra
		ip -6 addr add ${LINK.address6}/64 dev ${name} && ip -6 route add default via ${LINK.gateway6} dev ${name}`;
	const { exitCode, stderr } = Bun.spawnSync(["sh", "-c", script]);
	if (exitCode !== 0) throw new Error(stderr.toString());
}

function readNext(): void {
	const buffer = Buffer.alloc(FRAME_BYTES_MAX);
	read(card, buffer, 0, buffer.length, null, (error, length) => {
		if (error && error.code !== "EAGAIN") throw error;
		if (!error) socket.write(withPrefix(buffer.subarray(0, length)));
		if (error) setTimeout(readNext, 1);
		else readNext();
	});
}
