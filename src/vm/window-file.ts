/**
 * What the launcher tells the library in QEMU's process that makes the window ours (vm-assets/qemu/window): a small file that it maps
 * for reading, so that nothing comes back from there. docs/decisions/window.md
 */
import { closeSync, openSync, writeSync } from "node:fs";
import type { WindowPlan } from "../plan/window.ts";

/** Names the file to the library, which knows it by the same name. */
export const WINDOW_FILE_VARIABLE = "VIRTUALGHOST_WINDOW_FILE";
/** The library maps and compares this much of it. */
const BYTES = 256;
/** What its letters can write. */
const SAYABLE = /[^a-z. ]/g;
const SAY_CHARS_MAX = 63;

export class WindowFile implements Disposable {
	/** Whether what is shown is the guest's picture. */
	showsGuest = false;
	#fd: number | null;
	readonly #window: WindowPlan;

	/** Written before QEMU starts: the first picture is ours. */
	constructor(
		readonly path: string,
		window: WindowPlan,
	) {
		this.#window = window;
		this.#fd = openSync(path, "w", 0o600);
		this.say("starting");
	}

	/** Our picture, with what is going on under it. */
	say(text: string): void {
		this.showsGuest = false;
		this.#write(["show picture", `say ${text.toLowerCase().replaceAll(SAYABLE, " ").slice(0, SAY_CHARS_MAX)}`]);
	}

	showGuest(): void {
		this.showsGuest = true;
		this.#write(["show guest"]);
	}

	#write(lines: readonly string[]): void {
		if (this.#fd === null) return;
		const { width, height, state } = this.#window;
		const all = [...(state === "maximized" ? ["maximized"] : []), `size ${width}x${height}`, ...lines];
		writeSync(this.#fd, Buffer.alloc(BYTES, `${all.join("\n")}\n`.padEnd(BYTES, "\0")), 0, BYTES, 0);
	}

	[Symbol.dispose](): void {
		if (this.#fd !== null) closeSync(this.#fd);
		this.#fd = null;
	}
}
