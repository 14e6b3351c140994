/** A real X server without a screen, for the tests of the window. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { tool } from "./harness.ts";

export interface WindowManager extends AsyncDisposable {
	/** As the button in the title bar: asks the window whose title holds `title` to close. */
	close(title: string): Promise<void>;
}

export class XServer implements AsyncDisposable {
	readonly display: string;
	readonly #child: ChildProcess;

	private constructor(child: ChildProcess, display: string) {
		this.#child = child;
		this.display = display;
	}

	/** `-displayfd` picks a free display and tells when it is ready: nothing to poll. */
	static async start(size = "1400x900x24", glx = true): Promise<XServer> {
		const child = spawn(
			"Xvfb",
			["-displayfd", "3", "-screen", "0", size, glx ? "+extension" : "-extension", "GLX", "-nolisten", "tcp"],
			{
				stdio: ["ignore", "ignore", "ignore", "pipe"],
			},
		);
		const ready = child.stdio[3];
		if (!ready || !("once" in ready)) throw new Error("no display descriptor");
		const [line] = (await Promise.race([
			once(ready, "data"),
			once(child, "exit").then(() => {
				throw new Error("Xvfb ended");
			}),
		])) as [Buffer];
		return new XServer(child, `:${line.toString().trim()}`);
	}

	get env(): Record<string, string> {
		return { DISPLAY: this.display };
	}

	/** The whole screen as PNG. */
	async screenshot(path: string): Promise<void> {
		mkdirSync(dirname(path), { recursive: true });
		const { code, stderr } = await tool(["import", "-window", "root", path], { env: { ...process.env, ...this.env } });
		if (code !== 0) throw new Error(stderr);
	}

	/**
	 * Share of pixels (0-1) of a PNG that differ from its `grounds` most common colours: 1 for a window that fills the screen, 2 where
	 * the screen's own colour shows beside it.
	 */
	static async drawnShare(path: string, grounds = 1): Promise<number> {
		const { stdout } = await tool(["convert", path, "-format", "%c", "histogram:info:-"]);
		const counts = stdout
			.split("\n")
			.map((line) => Number.parseInt(line, 10))
			.filter((count) => count > 0);
		const total = counts.reduce((sum, count) => sum + count, 0);
		const ground = counts
			.sort((a, b) => b - a)
			.slice(0, grounds)
			.reduce((sum, count) => sum + count, 0);
		return total === 0 ? 0 : 1 - ground / total;
	}

	/** Windows are closed politely by window managers only. */
	async startWindowManager(): Promise<WindowManager> {
		const child = spawn("openbox", [], { env: { ...process.env, ...this.env }, stdio: "ignore" });
		while ((await tool(["wmctrl", "-m"], { env: { ...process.env, ...this.env } })).code !== 0) {
			if (child.exitCode !== null) throw new Error("openbox ended");
			await Bun.sleep(50);
		}
		return {
			close: async (title) => {
				const { code, stderr } = await tool(["wmctrl", "-c", title], { env: { ...process.env, ...this.env } });
				if (code !== 0) throw new Error(stderr);
			},
			[Symbol.asyncDispose]: async () => {
				const gone = once(child, "exit");
				child.kill("SIGTERM");
				await gone;
			},
		};
	}

	async [Symbol.asyncDispose](): Promise<void> {
		if (this.#child.exitCode !== null) return;
		const gone = once(this.#child, "exit");
		this.#child.kill("SIGTERM");
		await gone;
	}
}
