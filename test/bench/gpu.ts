/**
 * What a person sees of each way of drawing: frames a second that reach the screen while the terminal scrolls at full speed, and the
 * time from a key to its pixels. A real X server (Xvfb, its frame buffer mapped), a real window; the ways one after the other in one
 * run: `bun test/bench/gpu.ts [KEYS]` (default 30 keys).
 */
import { Sandbox, tool } from "../vm/harness.ts";
import { Screen } from "./start/screen.ts";

/** Rows that are looked at: enough to see any line of text change, few enough to look 500 times a second. */
const ROW_STEP = 7;
const LOOK_MS = 2;
const FRAMES_SECONDS = 10;
const KEY_TIMEOUT_MS = 5000;
const QUIET_MS = 400;

const keys = Number(process.argv[2] ?? 30);
await using screen = await Screen.start();
const { env } = screen;

function look(): bigint {
	const { width, height, pixels } = screen.frame;
	let hash = 0n;
	for (let row = 0; row < height; row += ROW_STEP) {
		hash = Bun.hash.wyhash(pixels.subarray(row * width, (row + 1) * width), hash);
	}
	return hash;
}

/** Frames a second over 10 s, as the X server's picture shows them. */
async function frames(): Promise<number> {
	const from = performance.now();
	let last = look();
	let count = 0;
	while (performance.now() - from < FRAMES_SECONDS * 1000) {
		await Bun.sleep(LOOK_MS);
		const now = look();
		if (now !== last) count++;
		last = now;
	}
	return count / ((performance.now() - from) / 1000);
}

/** Milliseconds from a key press to the first change on the screen. */
async function keyToPixel(): Promise<number> {
	await quiet();
	const before = look();
	const from = performance.now();
	screen.press("a");
	while (look() === before) {
		if (performance.now() - from > KEY_TIMEOUT_MS) throw new Error("a key changed nothing");
		await Bun.sleep(1);
	}
	return performance.now() - from;
}

async function quiet(): Promise<void> {
	let last = look();
	let since = performance.now();
	while (performance.now() - since < QUIET_MS) {
		await Bun.sleep(LOOK_MS);
		const now = look();
		if (now !== last) since = performance.now();
		last = now;
	}
}

async function typed(...words: string[]): Promise<void> {
	await tool(["xdotool", ...words], { env: { ...process.env, ...env } });
}

async function measure(gpu: "virgl" | "software"): Promise<void> {
	using sandbox = new Sandbox();
	const started = sandbox.start(["-v", "--gpu", gpu, "--display", "sdl"], { env });
	await started.says("terminal up");
	await Bun.sleep(2000);
	await typed("mousemove", "700", "450", "click", "1");
	// A cursor that blinks would be taken for the key's pixels.
	await typed("type", "--delay", "60", "printf '\\e[2 q'; clear");
	await typed("key", "Return");
	await Bun.sleep(1500);
	const latencies: number[] = [];
	for (let i = 0; i < keys; i++) latencies.push(await keyToPixel());
	latencies.sort((a, b) => a - b);
	await typed("key", "ctrl+u");
	await typed("type", "--delay", "60", "seq 1 999999999");
	await typed("key", "Return");
	await Bun.sleep(2000);
	const perSecond = await frames();
	started.kill("SIGINT");
	await started.outcome;
	const at = (share: number) => (latencies[Math.floor(latencies.length * share)] ?? 0).toFixed(0);
	console.log(
		`${gpu}: ${perSecond.toFixed(1)} frames/s while scrolling; key to pixel median ${at(0.5)} ms, 90 % within ${at(0.9)} ms`,
	);
}

for (const gpu of ["software", "virgl", "software", "virgl"] as const) await measure(gpu);
