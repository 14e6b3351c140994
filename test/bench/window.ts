/**
 * How soon the window and the guest follow each other, on a warm machine with a software screen: `bun test/bench/window.ts`. Needs what
 * the tests need (Xvfb, openbox, xdotool). Host and guest clocks are compared in the same run.
 */
import { Desktop, inGuest, until } from "../vm/desktop.ts";
import { Sandbox } from "../vm/harness.ts";

const FLAGS = ["--accel", "tcg", "--gpu", "software", "--memory", "1G", "--display", "sdl"];
const ROUNDS = 9;
const NAME = "bench";

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const tell = (what: string, ms: readonly number[]) =>
	console.log(
		`${what}: median ${Math.round(median(ms))} ms, largest ${Math.round(Math.max(...ms))} ms of ${ms.length}`,
	);

using sandbox = new Sandbox();
await using desktop = await Desktop.start("us");
const guest = (script: string) => inGuest(sandbox, NAME, script);
const made = await sandbox.run(["prewarm", ...FLAGS], { env: desktop.env });
if (made.code !== 0) throw new Error(made.stderr);

const from = performance.now();
const started = sandbox.start(["-v", ...FLAGS, "--name", NAME], { env: desktop.env });
await until(
	() => desktop.windows(),
	(ids) => ids.length > 0,
);
console.log(`from the start to the window: ${Math.round(performance.now() - from)} ms`);
await started.says("terminal up");
console.log(`from the start to the terminal: ${Math.round(performance.now() - from)} ms`);
const window = await desktop.window();

// A shell that writes down when its terminal gets another size.
await guest(
	`cat >/tmp/w.sh <<'E'\ntrap 'date +%s%3N >>/tmp/sizes' WINCH; : >/tmp/sizes; while :; do sleep 1000 & wait; done\nE`,
);
await desktop.typeLine(window, "bash /tmp/w.sh");
await until(
	() => guest("ls /tmp"),
	(names) => names.includes("sizes"),
);
await Bun.sleep(2000);

/** How far the guest's clock is ahead of the host's, in milliseconds. */
async function clockAhead(): Promise<number> {
	const ahead: number[] = [];
	for (let i = 0; i < 5; i++) {
		const before = Date.now();
		const theirs = Number(await guest("date +%s%3N"));
		ahead.push(theirs - (before + Date.now()) / 2);
	}
	return median(ahead);
}

const latencies: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
	const lines = async () => (await guest("cat /tmp/sizes")).split("\n").filter(Boolean);
	const before = (await lines()).length;
	const ahead = await clockAhead();
	const at = Date.now();
	await desktop.tool("xdotool", "windowsize", window, String(800 + (round % 2) * 200), "600");
	await Bun.sleep(2500);
	const first = Number((await lines())[before]);
	latencies.push(first - ahead - at);
}
tell("from the new size of the window to SIGWINCH in the terminal's shell", latencies);

const closing = performance.now();
await desktop.close();
const { code } = await started.outcome;
console.log(`from closing the window to the launcher's exit (${code}): ${Math.round(performance.now() - closing)} ms`);
