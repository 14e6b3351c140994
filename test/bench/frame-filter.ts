/**
 * What the packet filter costs: bytes a second through it, beside the same without it, in one run. Peers and filter are processes of
 * their own, as they are in a machine. `bun test/bench/frame-filter.ts [seconds]`
 */
import { closeSync } from "node:fs";
import { withPrefix } from "../../src/filter/frames.ts";
import { makePolicy } from "../../src/filter/policy.ts";
import { adoptSocket } from "../../src/network/adopt.ts";
import { filterFrames } from "../../src/network/frame-filter.ts";
import { openSocketPair } from "../../src/network/socket-pair.ts";
import { ipv4, tcp } from "../unit/filter/packets.ts";

const [role, ...words] = process.argv.slice(2);
const SIZES = [65_000, 1_400, 60];

if (role === "send") await send(Number(words[0]), Number(words[1]));
else if (role === "filter") {
	const policy = makePolicy({ mode: "internet", allow: [], deny: [] }, []);
	await filterFrames(adoptSocket(3), adoptSocket(4), () => policy);
	process.exit();
} else await main(Number(role ?? 3));

/** Frames of `size` bytes for `seconds`. */
async function send(size: number, seconds: number): Promise<void> {
	const socket = adoptSocket(3);
	const load = [...tcp(443), ...Array.from({ length: Math.max(0, size - 54) }, () => 0)];
	const frame = withPrefix(ipv4("1.1.1.1", 6, load));
	const piece = Buffer.concat(Array.from({ length: Math.max(1, Math.floor(65_536 / frame.length)) }, () => frame));
	const end = performance.now() + seconds * 1000;
	while (performance.now() < end) {
		if (!socket.write(piece)) await new Promise((resolve) => socket.once("drain", resolve));
	}
	socket.destroy();
	process.exit();
}

/** MiB a second that arrive, and the filter's largest resident memory in MiB. */
async function measure(size: number, seconds: number, filtered: boolean): Promise<[number, number]> {
	const first = openSocketPair();
	const second = filtered ? openSocketPair() : first;
	const spawn = (argv: readonly string[], fds: readonly number[]) =>
		Bun.spawn([process.execPath, import.meta.path, ...argv], { stdio: ["ignore", "inherit", "inherit", ...fds] });
	const filter = filtered ? spawn(["filter"], [first.fds[1], second.fds[0]]) : null;
	const sender = spawn(["send", String(size), String(seconds)], [first.fds[0]]);
	for (const fd of new Set([first.fds[0], ...(filtered ? [first.fds[1], second.fds[0]] : [])])) closeSync(fd);
	let bytes = 0;
	let from = 0;
	let to = 0;
	const receiver = adoptSocket(second.fds[1]);
	receiver.on("data", (chunk: Buffer) => {
		from ||= performance.now();
		to = performance.now();
		bytes += chunk.length;
	});
	await new Promise((resolve) => receiver.once("close", resolve));
	await Promise.all([sender.exited, filter?.exited]);
	const memory = (filter?.resourceUsage()?.maxRSS ?? 0) / 1024 / 1024;
	return [bytes / 1024 / 1024 / ((to - from) / 1000), memory];
}

async function main(seconds: number): Promise<void> {
	for (const size of SIZES) {
		const [plain] = await measure(size, seconds, false);
		const [filtered, memory] = await measure(size, seconds, true);
		const ratio = (filtered / plain).toFixed(2);
		console.log(
			`frames of ${size} bytes: ${plain.toFixed(0)} MiB/s without, ${filtered.toFixed(0)} MiB/s through the filter (x${ratio}), filter's memory at most ${memory.toFixed(0)} MiB`,
		);
	}
}
