/**
 * Keeps the session's screen as large as the window on the host. QEMU tells the graphics card a new size, its driver says so in a kernel
 * event, and cage lets it pass: somebody has to ask it for the mode. Event driven: a window that is left alone costs nothing.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { ScreenSize } from "../src/wire/control.ts";
import { GUEST_PATH } from "../src/wire/names.ts";
import { wlrRandr } from "./screen.ts";
import { watchUevents } from "./uevents.ts";

const CARDS = "/sys/class/drm";
const WATCH_AGAIN_MS = 1000;

export class ScreenFollower {
	#started = false;
	#last = "";
	#running = false;
	/** Changes while one is on its way count as one. */
	#again = false;

	/** From the first prompt on: before, cage takes by itself what it finds. */
	start(): void {
		if (this.#started) return this.follow();
		this.#started = true;
		this.#watch();
		this.follow();
	}

	#watch(): void {
		try {
			const socket = watchUevents("drm", () => this.follow());
			// Too many events at once end it (ENOBUFS).
			socket.once("close", () => setTimeout(() => this.#watch(), WATCH_AGAIN_MS));
			socket.on("error", () => socket.destroy());
		} catch (error) {
			process.stderr.write(`virtualghost-agent: the screen will not follow the window: ${String(error)}\n`);
		}
	}

	follow(): void {
		if (this.#running) {
			this.#again = true;
			return;
		}
		this.#running = true;
		void this.#apply().finally(() => {
			this.#running = false;
			if (!this.#again) return;
			this.#again = false;
			this.follow();
		});
	}

	async #apply(): Promise<void> {
		const card = findConnector();
		const size = card ? preferredSize(card.folder) : null;
		if (!card || !size) return;
		const scale = existsSync(GUEST_PATH.scale) ? readFileSync(GUEST_PATH.scale, "utf8").trim() : "";
		const wish = ["--output", card.name, "--custom-mode", `${size.width}x${size.height}`];
		if (scale !== "") wish.push("--scale", scale);
		if (wish.join(" ") === this.#last) return;
		try {
			await wlrRandr(...wish);
			this.#last = wish.join(" ");
		} catch (error) {
			process.stderr.write(`virtualghost-agent: the screen does not follow the window: ${String(error)}\n`);
		}
	}
}

/** The first connected output of QEMU's card, by the compositor's name for it: a card of the host's has a screen of its own. */
function findConnector(): { readonly folder: string; readonly name: string } | null {
	for (const entry of existsSync(CARDS) ? readdirSync(CARDS).sort() : []) {
		const found = /^(card\d+)-(.+)$/.exec(entry);
		if (!found?.[1] || !found[2] || !isQemus(found[1])) continue;
		const folder = join(CARDS, entry);
		if (readFileSync(join(folder, "status"), "utf8").trim() === "connected") return { folder, name: found[2] };
	}
	return null;
}

function isQemus(card: string): boolean {
	const driver = join(CARDS, card, "device/driver");
	// virtio-pci, or virtio_gpu itself on older kernels.
	return existsSync(driver) && basename(readlinkSync(driver)).startsWith("virtio");
}

/** What the window's size has become: the mode that the card prefers. */
function preferredSize(connector: string): ScreenSize | null {
	// The kernel asks the card anew only when somebody wants it to.
	writeFileSync(join(connector, "status"), "detect");
	const found = /^(\d+)x(\d+)/.exec(readFileSync(join(connector, "modes"), "utf8"));
	return found ? { width: Number(found[1]), height: Number(found[2]) } : null;
}
