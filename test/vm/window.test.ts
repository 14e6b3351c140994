/** The window on a real X server: virgl through SDL and GTK, and every way of leaving. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { until } from "./desktop.ts";
import { BOOT_TIMEOUT_MS, Sandbox, tool } from "./harness.ts";
import { XServer } from "./xserver.ts";

const PICTURES = join(import.meta.dir, "../../dist/pictures");
let x: XServer;
let sandbox: Sandbox;

beforeAll(async () => {
	sandbox = new Sandbox();
	x = await XServer.start();
});

afterAll(async () => {
	sandbox[Symbol.dispose]();
	await x[Symbol.asyncDispose]();
});

async function windows(): Promise<string[]> {
	const { stdout } = await tool(["xdotool", "search", "--onlyvisible", "--class", "^virtualghost$"], {
		env: { ...process.env, ...x.env },
	});
	return stdout.split("\n").filter(Boolean);
}

/** The window, once it is there to stay: SDL makes it anew for its renderer. */
async function theWindow(): Promise<string> {
	let seen = "";
	return await until(
		async () => {
			const before = seen;
			seen = (await windows()).join();
			await Bun.sleep(500);
			return seen === before ? seen : "";
		},
		(found) => /^\d+$/.test(found),
		60,
	);
}

/** As a person would: click into the window, type, press Return (`type` would send a Linefeed key, which SDL does not know). */
async function typeLine(window: string, text: string): Promise<void> {
	await tool(["xdotool", "mousemove", "--window", window, "300", "300", "click", "1"], {
		env: { ...process.env, ...x.env },
	});
	await tool(["xdotool", "windowfocus", window, "type", "--delay", "60", text], { env: { ...process.env, ...x.env } });
	await tool(["xdotool", "key", "Return"], { env: { ...process.env, ...x.env } });
}

describe("virgl", () => {
	test.each(["sdl", "gtk"])(
		"%s passes the headless test, renderer included",
		async (display) => {
			const args = ["run", "--headless-test", "--json", "--gpu", "virgl", "--display", display];
			const { code, stdout, stderr } = await sandbox.run(args, { env: x.env });
			const report = JSON.parse(stdout || "{}") as { checks?: { name: string; ok: boolean; detail: string }[] };
			expect([code, stderr, report.checks?.filter((check) => !check.ok)]).toEqual([0, expect.anything(), []]);
			expect(report.checks?.find((check) => check.name.startsWith("renderer"))?.detail).toMatch(
				/^virgl .*OpenGL 4\.[3-6]/,
			);
			expect(sandbox.processes()).toEqual([]);
		},
		2 * BOOT_TIMEOUT_MS,
	);
});

describe("the window of a plain start", () => {
	test(
		"shows the terminal; Ctrl+C shuts the guest down in order",
		async () => {
			const started = sandbox.start(["-v"], { env: x.env });
			await started.says("terminal up");
			const picture = join(PICTURES, "window.png");
			await theWindow();
			await x.screenshot(picture);
			expect(await XServer.drawnShare(picture)).toBeGreaterThan(0.01);
			started.kill("SIGINT");
			const { code, stderr } = await started.outcome;
			expect([code, stderr]).toEqual([0, expect.stringContaining("shutting down")]);
			expect(sandbox.processes()).toEqual([]);
			expect(sandbox.instances()).toEqual([]);
			expect(sandbox.logs("launcher.log")).toContain("guest-shutdown");
		},
		BOOT_TIMEOUT_MS,
	);

	test(
		"typing exit ends it with 0",
		async () => {
			const started = sandbox.start(["-v"], { env: x.env });
			await started.says("terminal up");
			const window = await theWindow();
			await typeLine(window, "exit");
			const { code, stderr } = await started.outcome;
			expect([code, stderr]).toEqual([0, expect.stringContaining("ended")]);
			expect(sandbox.processes()).toEqual([]);
		},
		BOOT_TIMEOUT_MS,
	);

	test(
		"sudo reboot ends it with 0: a disposable machine does not come back",
		async () => {
			const started = sandbox.start(["-v"], { env: x.env });
			await started.says("terminal up");
			const window = await theWindow();
			await typeLine(window, "sudo reboot");
			const { code, stderr } = await started.outcome;
			expect([code, stderr]).toEqual([0, expect.stringContaining("ended")]);
			expect(sandbox.processes()).toEqual([]);
		},
		BOOT_TIMEOUT_MS,
	);

	test(
		"closing the window before anything is in it ends it with 0, and blames no accelerator",
		async () => {
			await using manager = await x.startWindowManager();
			const started = sandbox.start(["-v", "--accel", "tcg"], { env: x.env });
			await started.says("booting");
			while ((await windows()).length === 0) await Bun.sleep(50);
			await manager.close("VirtualGhost");
			const { code, stderr } = await started.outcome;
			expect(stderr).not.toContain("warning");
			expect([code, stderr]).toEqual([0, expect.anything()]);
			expect(sandbox.processes()).toEqual([]);
		},
		BOOT_TIMEOUT_MS,
	);

	test(
		"a second Ctrl+C skips ahead",
		async () => {
			const started = sandbox.start(["-v"], { env: x.env });
			await started.says("system up");
			started.kill("SIGINT");
			await started.says("shutting down");
			await Bun.sleep(100);
			const from = performance.now();
			for (let i = 0; i < 4; i++) {
				started.kill("SIGINT");
				await Bun.sleep(300);
			}
			const { code } = await started.outcome;
			expect([0, 130]).toContain(code);
			expect((performance.now() - from) / 1000).toBeLessThan(5);
			expect(sandbox.processes()).toEqual([]);
		},
		BOOT_TIMEOUT_MS,
	);
});

test(
	"an X server that is not there: one clear error, no window, nothing left",
	async () => {
		const { code, stderr } = await sandbox.run(["--display", "sdl"], { env: { DISPLAY: ":999" } });
		expect([code, stderr]).toEqual([1, expect.stringContaining("The window could not be opened")]);
		expect(stderr).not.toContain("defect");
		expect(sandbox.processes()).toEqual([]);
		expect(sandbox.instances()).toEqual([]);
	},
	BOOT_TIMEOUT_MS,
);
