/** Windows of machines that come out of a snapshot: their size, scale and keyboard, and every way of leaving. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Desktop, inGuest, until } from "./desktop.ts";
import { BOOT_TIMEOUT_MS, Sandbox, type Started } from "./harness.ts";

const FLAGS = ["--accel", "tcg", "--gpu", "software", "--memory", "1G"] as const;
const BACKGROUND = "282C34";
let desktop: Desktop;
let sandbox: Sandbox;
/** How long `virtualghost stop` takes: what the guest needs to shut down on this machine, as busy as it is. */
let floorSeconds: number;

beforeAll(async () => {
	sandbox = new Sandbox();
	desktop = await Desktop.start("de");
	const made = await sandbox.run(["prewarm", ...FLAGS], { env: desktop.env });
	expect([made.code, made.stderr]).toEqual([0, expect.anything()]);
	const { started } = await open("floor");
	const from = performance.now();
	expect((await sandbox.run(["stop", "floor"])).code).toBe(0);
	await started.outcome;
	floorSeconds = (performance.now() - from) / 1000;
}, 2 * BOOT_TIMEOUT_MS);

afterAll(async () => {
	sandbox[Symbol.dispose]();
	await desktop[Symbol.asyncDispose]();
});

/** The window of a test that failed must not be in the next one's way. */
afterEach(async () => {
	for (const line of sandbox.processes()) process.kill(Number(line.split(" ")[0]), "SIGKILL");
	await until(
		() => Promise.resolve(sandbox.instances()),
		(left) => left.length === 0,
	);
});

/** A warm machine whose terminal is up. */
async function open(name: string, ...flags: string[]): Promise<{ started: Started; window: string; tty: string }> {
	const started = sandbox.start(["-v", ...FLAGS, "--name", name, ...flags], { env: desktop.env });
	await started.says("terminal up");
	expect(started.stderr).toMatch(/snapshot: [0-9a-f]{20}\n/);
	expect(started.stderr).not.toContain("warning");
	const tty = await inGuest(sandbox, name, "ps -o tty= -C bash | grep pts | head -1");
	return { started, window: await desktop.window(), tty: `/dev/${tty}` };
}

/** Ends it and waits; the seconds that took. */
async function leave(started: Started, action: () => unknown): Promise<number> {
	const from = performance.now();
	await action();
	const { code, stderr } = await started.outcome;
	const seconds = (performance.now() - from) / 1000;
	expect([code, stderr]).toEqual([0, expect.not.stringContaining("warning")]);
	expect([sandbox.processes(), sandbox.instances()]).toEqual([[], []]);
	return seconds;
}

/** The quick way, where another test is about the orderly one. */
async function closeTwice(): Promise<void> {
	await desktop.close();
	await Bun.sleep(500);
	await desktop.close();
}

const size = async (name: string, tty: string) =>
	(await inGuest(sandbox, name, `stty -F ${tty} size`)).split(" ").map(Number) as [number, number];
const mode = (name: string) => inGuest(sandbox, name, "head -qn1 /sys/class/drm/card*-Virtual-1/modes");

describe("the window that the snapshot knew nothing of", () => {
	let plain: [number, number];

	test(
		"a size of its own",
		async () => {
			const { started, window, tty } = await open("sized", "--window", "1000x700");
			expect(await desktop.size(window)).toBe("1000x700");
			await until(
				() => mode("sized"),
				(has) => has === "1000x700",
			);
			plain = await until(
				() => size("sized", tty),
				([, columns]) => columns < 130,
			);
			expect(await desktop.share(window, BACKGROUND, "warm-1000x700.png")).toBeGreaterThan(0.8);
			await leave(started, closeTwice);
		},
		BOOT_TIMEOUT_MS,
	);

	test(
		"a scale: half as many letters each way, twice as large",
		async () => {
			const { started, window, tty } = await open("scaled", "--window", "1000x700", "--scale", "2");
			const scaled = await until(
				() => size("scaled", tty),
				([, columns]) => columns < 70,
			);
			expect(scaled[1] / plain[1]).toBeCloseTo(0.5, 1);
			expect(scaled[0] / plain[0]).toBeCloseTo(0.5, 1);
			await desktop.share(window, BACKGROUND, "warm-scale-2.png");
			await leave(started, closeTwice);
		},
		BOOT_TIMEOUT_MS,
	);

	test(
		"GTK's window: the guest follows it too, and closing it is as orderly",
		async () => {
			const { started, window } = await open("gtk", "--window", "1000x700", "--display", "gtk");
			const follows = async (pixels: string) => {
				await until(
					() => desktop.size(window),
					(has) => has === pixels,
				);
				await until(
					() => mode("gtk"),
					(has) => has === pixels,
				);
			};
			await follows("1000x700");
			await desktop.tool("xdotool", "windowsize", window, "1200", "760");
			await follows("1200x760");
			await desktop.share(window, BACKGROUND, "warm-gtk.png");
			await leave(started, () => desktop.close());
			expect(started.stderr).toContain("closing");
		},
		BOOT_TIMEOUT_MS,
	);

	test(
		"full screen",
		async () => {
			const { started, window } = await open("full", "--window", "fullscreen");
			await until(
				() => mode("full"),
				(has) => has === "1400x900",
			);
			expect(await desktop.size(window)).toBe("1400x900");
			await leave(started, closeTwice);
		},
		BOOT_TIMEOUT_MS,
	);

	test(
		"maximized: all but the frame",
		async () => {
			const { started, window } = await open("large", "--window", "maximized");
			const pixels = await desktop.size(window);
			expect(pixels).toMatch(/^13\d\dx8\d\d$|^1400x8\d\d$/);
			await until(
				() => mode("large"),
				(has) => has === pixels,
			);
			await leave(started, closeTwice);
		},
		BOOT_TIMEOUT_MS,
	);
});

describe("every way of leaving ends with 0, without a word of failure, and soon", () => {
	const ways: readonly (readonly [string, (window: string, started: Started) => unknown])[] = [
		["exit", (window) => desktop.typeLine(window, "exit")],
		["sudo poweroff", (window) => desktop.typeLine(window, "sudo poweroff")],
		[
			"Ctrl+D",
			async (window) => {
				await desktop.focus(window);
				await desktop.tool("xdotool", "key", "ctrl+d");
			},
		],
		["closing the window", () => desktop.close()],
		["Ctrl+C in the launcher", (_window, started) => started.kill("SIGINT")],
	];
	test.each(ways)(
		"%s",
		async (way, action) => {
			const { started, window } = await open("leaver");
			const seconds = await leave(started, () => action(window, started));
			console.log(`${way}: gone after ${seconds.toFixed(1)} s; stop took ${floorSeconds.toFixed(1)} s`);
			expect(seconds).toBeLessThan(2 * floorSeconds + 2);
		},
		BOOT_TIMEOUT_MS,
	);

	test(
		"closing it again ends a machine at once that takes its time",
		async () => {
			const { started } = await open("slow");
			await inGuest(
				sandbox,
				"slow",
				"systemd-run -p TimeoutStopSec=90 -p 'ExecStop=/bin/sleep 80' /bin/sleep infinity",
				"--root",
			);
			await desktop.close();
			await started.says("closing");
			await Bun.sleep(2000);
			expect(sandbox.processes()).not.toEqual([]);
			expect(await leave(started, () => desktop.close())).toBeLessThan(5);
		},
		BOOT_TIMEOUT_MS,
	);
});
