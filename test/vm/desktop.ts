/** A desktop of the tests' own: X server, window manager, keyboard layout; and a user who looks, types, points and drags. */
import { join } from "node:path";
import { BINARY, type Sandbox, tool } from "./harness.ts";
import { type WindowManager, XServer } from "./xserver.ts";

export const PICTURES = join(import.meta.dir, "../../dist/pictures");

export class Desktop implements AsyncDisposable {
	private constructor(
		readonly x: XServer,
		readonly manager: WindowManager,
	) {}

	static async start(layout: string, size = "1400x900x24"): Promise<Desktop> {
		const x = await XServer.start(size);
		const desktop = new Desktop(x, await x.startWindowManager());
		await desktop.tool("setxkbmap", layout);
		return desktop;
	}

	/** For the launcher: with a PATH, since it asks the host's tools about keyboard and scale. */
	get env(): Record<string, string> {
		return { ...this.x.env, PATH: "/usr/bin:/bin" };
	}

	/** Stdout of a program on this desktop. @throws Error if it fails */
	async tool(...argv: string[]): Promise<string> {
		const { code, stdout, stderr } = await tool(argv, { env: { ...process.env, LC_ALL: "C.UTF-8", ...this.x.env } });
		if (code !== 0) throw new Error(`${argv.join(" ")}: ${stderr}`);
		return stdout;
	}

	async windows(): Promise<string[]> {
		const found = await tool(["xdotool", "search", "--onlyvisible", "--class", "^virtualghost$"], {
			env: { ...process.env, ...this.x.env },
		});
		return found.stdout.split("\n").filter(Boolean);
	}

	/** The window of ours, as soon as it is there to stay: SDL makes it anew for its renderer. */
	async window(): Promise<string> {
		let seen = "";
		return await until(
			async () => {
				const before = seen;
				seen = (await this.windows()).join();
				await Bun.sleep(500);
				return seen === before ? seen : "";
			},
			(found) => /^\d+$/.test(found),
			60,
		);
	}

	async size(window: string): Promise<string> {
		const text = await this.tool("xdotool", "getwindowgeometry", window);
		return /Geometry: (\d+x\d+)/.exec(text)?.[1] ?? text;
	}

	/** A picture of one window (dist/pictures/NAME), and how much of it (0-1) has the colour `rgb`, such as "282C34". */
	async share(window: string, rgb: string, name: string): Promise<number> {
		const path = join(PICTURES, name);
		await this.tool("mkdir", "-p", PICTURES);
		// Without such a window it would wait for somebody to click on one.
		await this.tool("timeout", "30", "import", "-window", window, path);
		return await shareOf(path, rgb);
	}

	async focus(window: string): Promise<void> {
		await this.tool("xdotool", "windowfocus", "--sync", window);
	}

	/** By the keys that have these characters on this desktop's layout (`type` would send a Linefeed key, which SDL does not know). */
	async typeLine(window: string, text: string): Promise<void> {
		await this.focus(window);
		await this.tool("xdotool", "type", "--delay", "80", text);
		await this.tool("xdotool", "key", "Return");
	}

	async close(): Promise<void> {
		await this.manager.close("VirtualGhost");
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.manager[Symbol.asyncDispose]();
		await this.x[Symbol.asyncDispose]();
	}
}

/** How much (0-1) of a picture has exactly the colour `rgb`, such as "282C34". */
export async function shareOf(path: string, rgb: string): Promise<number> {
	const { stdout } = await tool(["convert", path, "-depth", "8", "-format", "%c", "histogram:info:-"]);
	let total = 0;
	let has = 0;
	for (const [, count = "0", colour] of stdout.matchAll(/^\s*(\d+):.*#([0-9A-F]{6})/gm)) {
		total += Number(count);
		if (colour === rgb) has += Number(count);
	}
	return total === 0 ? 0 : has / total;
}

/** What a shell line in the machine prints. */
export async function inGuest(sandbox: Sandbox, name: string, script: string, ...flags: string[]): Promise<string> {
	const exec = () => tool([BINARY, "exec", ...flags, name, "--", "sh", "-c", script], { env: sandbox.env });
	const first = await exec();
	// Beside other machines an emulated one may take longer over a login than its agent allows.
	const { code, stdout, stderr } = first.stderr.includes("login to the guest's agent failed") ? await exec() : first;
	if (code !== 0) throw new Error(`${script}: ${stderr}`);
	return stdout.trim();
}

/** Waits until `look` gives what `isIt` takes. @throws Error with the last one after `seconds` */
export async function until<T>(look: () => Promise<T>, isIt: (found: T) => boolean, seconds = 30): Promise<T> {
	const end = Date.now() + seconds * 1000;
	for (;;) {
		const found = await look();
		if (isIt(found)) return found;
		if (Date.now() > end) throw new Error(`still ${JSON.stringify(found)}`);
		await Bun.sleep(50);
	}
}
