/**
 * A real X server without a screen, whose picture is looked at as a person would: is the prompt there, does a typed key appear? The same
 * for every row with a window, and free of charge for the machine that is measured: Xvfb's frame buffer is mapped.
 */
import { dlopen, FFIType, type Pointer, ptr } from "bun:ffi";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tool } from "../../vm/harness.ts";
import { type Box, type Frame, findPrompt, hasEcho, lineEnd } from "./prompt.ts";

const [WIDTH, HEIGHT] = [1400, 900] as const;
/** The resolution of what is measured. */
const LOOK_MS = 20;
/** What is typed (SDL takes the same key pressed twice within 2 ms for one that is held down), and how often while nothing has come of it. */
const TYPED = "wxyz";
const TYPE_AGAIN_MS = 1000;

export class Screen implements AsyncDisposable {
	readonly display: string;
	readonly #folder: string;
	readonly #children: readonly ChildProcess[];
	/** What is on the screen now. */
	readonly frame: Frame;
	/** Presses and releases a key. */
	readonly press: (char: string) => void;
	#seen: { readonly hash: bigint; readonly prompt: Box | null } = { hash: 0n, prompt: null };

	private constructor(display: string, folder: string, children: readonly ChildProcess[]) {
		this.display = display;
		this.#folder = folder;
		this.#children = children;
		// An XWD file that the X server keeps up to date; the pixels come last.
		const xwd = Bun.mmap(join(folder, "Xvfb_screen0"), { shared: true });
		const start = xwd.byteOffset + xwd.length - WIDTH * HEIGHT * 4;
		this.frame = { width: WIDTH, height: HEIGHT, pixels: new Uint32Array(xwd.buffer, start, WIDTH * HEIGHT) };
		this.press = openKeyboard(display);
	}

	/** With a window manager, which gives a new window the keyboard. @throws Error if either does not start */
	static async start(): Promise<Screen> {
		const folder = mkdtempSync(join(tmpdir(), "vg-bench-screen-"));
		const size = ["-screen", "0", `${WIDTH}x${HEIGHT}x24`];
		const argv = ["-displayfd", "3", ...size, "-fbdir", folder, "+extension", "GLX", "-nolisten", "tcp"];
		const xvfb = spawn("Xvfb", argv, { stdio: ["ignore", "ignore", "ignore", "pipe"] });
		const ready = xvfb.stdio[3];
		if (!ready || !("once" in ready)) throw new Error("no display descriptor");
		const ended = once(xvfb, "exit").then(() => {
			throw new Error("Xvfb ended");
		});
		const [line] = (await Promise.race([once(ready, "data"), ended])) as [Buffer];
		ended.catch(() => {});
		const display = `:${line.toString().trim()}`;
		const env = { ...process.env, DISPLAY: display };
		const openbox = spawn("openbox", [], { env, stdio: "ignore" });
		while ((await tool(["wmctrl", "-m"], { env })).code !== 0) {
			if (openbox.exitCode !== null) throw new Error("openbox ended");
			await Bun.sleep(50);
		}
		return new Screen(display, folder, [openbox, xvfb]);
	}

	get env(): Record<string, string> {
		return { DISPLAY: this.display };
	}

	prompt(): Box | null {
		// Most looks see what the last one saw: a native hash finds that out for a tenth of the price.
		const hash = Bun.hash.wyhash(this.frame.pixels);
		if (hash !== this.#seen.hash) this.#seen = { hash, prompt: findPrompt(this.frame) };
		return this.#seen.prompt;
	}

	/** Resolves when a prompt is on the screen. */
	async promptDrawn(signal: AbortSignal): Promise<Box> {
		return await this.#until(() => this.prompt(), signal);
	}

	/** Resolves when what is typed at the prompt appears behind it. */
	async echoed(prompt: Box, signal: AbortSignal): Promise<void> {
		const before = lineEnd(this.frame, prompt);
		let typedAt = Number.NEGATIVE_INFINITY;
		await this.#until(() => {
			if (performance.now() - typedAt > TYPE_AGAIN_MS) {
				for (const char of TYPED) this.press(char);
				typedAt = performance.now();
			}
			return hasEcho(before, lineEnd(this.frame, prompt), prompt) ? true : null;
		}, signal);
	}

	/** No window of the last row may be taken for one of the next. */
	async cleared(signal: AbortSignal): Promise<void> {
		await this.#until(() => (this.prompt() === null ? true : null), signal);
	}

	async #until<T>(look: () => T | null, signal: AbortSignal): Promise<T> {
		for (;;) {
			signal.throwIfAborted();
			const seen = look();
			if (seen !== null) return seen;
			await Bun.sleep(LOOK_MS);
		}
	}

	/** For a person who wants to know what went wrong. */
	async save(path: string): Promise<void> {
		await tool(["import", "-window", "root", path], { env: { ...process.env, ...this.env } });
	}

	async [Symbol.asyncDispose](): Promise<void> {
		for (const child of this.#children) {
			if (child.exitCode !== null || child.signalCode !== null) continue;
			const gone = once(child, "exit");
			child.kill("SIGTERM");
			await gone;
		}
		rmSync(this.#folder, { recursive: true, force: true });
	}
}

/** Presses keys as the XTEST extension does: for the X server they come from a keyboard. */
function openKeyboard(display: string): (char: string) => void {
	const { i32, u32, u64 } = FFIType;
	const x11 = dlopen("libX11.so.6", {
		XOpenDisplay: { args: [FFIType.ptr], returns: FFIType.ptr },
		XKeysymToKeycode: { args: [FFIType.ptr, u64], returns: u32 },
		XFlush: { args: [FFIType.ptr], returns: i32 },
	}).symbols;
	const xtest = dlopen("libXtst.so.6", {
		XTestFakeKeyEvent: { args: [FFIType.ptr, u32, i32, u64], returns: i32 },
	}).symbols;
	const connection = x11.XOpenDisplay(ptr(Buffer.from(`${display}\0`))) as Pointer;
	return (char) => {
		const code = x11.XKeysymToKeycode(connection, BigInt(char.charCodeAt(0)));
		xtest.XTestFakeKeyEvent(connection, code, 1, 0n);
		xtest.XTestFakeKeyEvent(connection, code, 0, 0n);
		x11.XFlush(connection);
	};
}
