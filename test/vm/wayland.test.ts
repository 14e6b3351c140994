/** The window in a Wayland session: weston without a screen. */
import { expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PICTURES, shareOf, until } from "./desktop.ts";
import { BOOT_TIMEOUT_MS, Sandbox, tool } from "./harness.ts";

class Weston implements AsyncDisposable {
	readonly runtime = mkdtempSync(join(tmpdir(), "vg-wayland-"));
	readonly #child: ChildProcess;

	constructor() {
		const size = ["--width=1400", "--height=900"];
		const argv = ["--backend=headless-backend.so", "--use-gl", ...size, "--socket=wayland-7", "--debug"];
		this.#child = spawn("weston", argv, { env: { ...process.env, XDG_RUNTIME_DIR: this.runtime }, stdio: "ignore" });
	}

	/** An absolute path stands for itself, so that the launcher has a runtime folder of its own. */
	get env(): Record<string, string> {
		return { WAYLAND_DISPLAY: join(this.runtime, "wayland-7") };
	}

	async isUp(): Promise<void> {
		await until(
			() => Promise.resolve(existsSync(join(this.runtime, "wayland-7"))),
			(there) => there,
		);
	}

	/** How much (0-1) of the screen has the colour `rgb`. */
	async share(rgb: string, name: string): Promise<number> {
		mkdirSync(PICTURES, { recursive: true });
		const env = { ...process.env, ...this.env, XDG_RUNTIME_DIR: this.runtime };
		const { code, stderr } = await tool(["weston-screenshooter"], { env, cwd: this.runtime });
		const file = readdirSync(this.runtime).find((each) => each.endsWith(".png"));
		if (code !== 0 || !file) throw new Error(`no screenshot: ${stderr}`);
		const path = join(PICTURES, name);
		await tool(["cp", join(this.runtime, file), path]);
		rmSync(join(this.runtime, file));
		return await shareOf(path, rgb);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		const gone = new Promise((resolve) => this.#child.once("exit", resolve));
		if (this.#child.exitCode === null) {
			this.#child.kill("SIGTERM");
			await gone;
		}
		rmSync(this.runtime, { recursive: true, force: true });
	}
}

test.each(["virgl", "software"])(
	"GTK by itself, %s: our picture in a window with a title bar; a terminal after that",
	async (gpu) => {
		using sandbox = new Sandbox();
		await using weston = new Weston();
		await weston.isUp();
		const started = sandbox.start(["-v", "--accel", "tcg", "--gpu", gpu], { env: weston.env });
		await started.says("display: gtk");
		expect(
			await until(
				() => weston.share("E6E6F0", `wayland-${gpu}.png`),
				(share) => share > 0.02,
			),
		).toBeLessThan(0.2);
		if (gpu === "software") {
			await started.says("terminal up");
			await until(
				() => weston.share("E6E6F0", "wayland-terminal.png"),
				(share) => share < 0.01,
			);
			expect(await weston.share("282C34", "wayland-terminal.png")).toBeGreaterThan(0.5);
		}
		started.kill("SIGINT");
		expect([0, 130]).toContain((await started.outcome).code);
		expect([sandbox.processes(), sandbox.instances()]).toEqual([[], []]);
	},
	BOOT_TIMEOUT_MS,
);
