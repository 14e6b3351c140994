/** Reports to the host over the virtio-serial events port, and watches for what the session's scripts leave behind. */
import {
	closeSync,
	constants,
	existsSync,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	readSync,
	statSync,
	watch,
	writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { encodeEvent, GRAPHICS_TEXT_MAX, type GuestEvent, SESSION_LOG_TAIL_BYTES } from "../src/wire/events.ts";
import { LineSplitter } from "../src/wire/lines.ts";
import { EVENTS_PORT, GUEST_PATH } from "../src/wire/names.ts";

const LOOK_AGAIN_MS = 1000;
const PORTS_FOLDER = "/sys/class/virtio-ports";

/** Device node of the events port, found by name since udev's symlink may not be there yet; null without the device. */
function findEventsPort(): string | null {
	if (!existsSync(PORTS_FOLDER)) return null;
	for (const port of readdirSync(PORTS_FOLDER)) {
		const name = join(PORTS_FOLDER, port, "name");
		if (existsSync(name) && readFileSync(name, "utf8").trim() === EVENTS_PORT) return join("/dev", port);
	}
	return null;
}

/** The open port; it admits one writer at a time, which is this process. */
let port: number | null = null;

/**
 * Sends one event and says whether it went out; a failure is logged, since SSH must go on without it. Without O_NONBLOCK a write would hold up the whole
 * agent for as long as the host is not connected.
 */
export function sendEvent(event: GuestEvent): boolean {
	try {
		port ??= openPort();
		writeSync(port, encodeEvent(event));
		return true;
	} catch (error) {
		if (port !== null) closeSync(port);
		port = null;
		process.stderr.write(`virtualghost-agent: "${event.event}" is not reported: ${String(error)}\n`);
		return false;
	}
}

/** Not worth a line in the log where it fails: the next one is due soon, and the host asks before it despairs. */
export function sendHeartbeat(): void {
	try {
		port ??= openPort();
		writeSync(port, encodeEvent({ event: "alive" }));
	} catch {
		// EAGAIN: the host does not read just now.
	}
}

function openPort(): number {
	const path = findEventsPort();
	if (path === null) throw new Error("there is no events port");
	return openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
}

const READ_AGAIN_MS = 20;

/**
 * The first line from the host that `accept` takes. The port is asked again and again: only a machine that waits to be made into a
 * snapshot does so, and nothing has to survive the change of hosts but a timer.
 */
export async function readFromHost<T>(maxChars: number, accept: (line: string) => T | null): Promise<T> {
	const lines = new LineSplitter(maxChars);
	const bytes = Buffer.alloc(maxChars);
	for (;;) {
		for (const line of lines.push(bytes.subarray(0, readPort(bytes)))) {
			const accepted = accept(line);
			if (accepted !== null) return accepted;
		}
		await Bun.sleep(READ_AGAIN_MS);
	}
}

/** Number of bytes that were there. */
function readPort(bytes: Buffer): number {
	try {
		port ??= openPort();
		return readSync(port, bytes);
	} catch {
		// EAGAIN, or the port is not there yet.
		return 0;
	}
}

function logTail(): string {
	if (!existsSync(GUEST_PATH.sessionLog)) return "";
	const { size } = statSync(GUEST_PATH.sessionLog);
	const bytes = readFileSync(GUEST_PATH.sessionLog);
	return bytes.subarray(Math.max(0, size - SESSION_LOG_TAIL_BYTES / 2)).toString("utf8");
}

/** Without its file (cage itself did not start on the GPU) nothing is known. */
function graphicsEvent(steppedDown: string | null): GuestEvent {
	const text = existsSync(GUEST_PATH.graphics) ? readFileSync(GUEST_PATH.graphics, "utf8") : "";
	const [version = "", renderer = ""] = text.split("\n").map((line) => line.slice(0, GRAPHICS_TEXT_MAX));
	return { event: "graphics", version, renderer, steppedDown: steppedDown?.slice(0, GRAPHICS_TEXT_MAX) ?? null };
}

/** Watches the session from its first prompt to its end and reports each step once. */
export class SessionWatch {
	#graphics = false;
	#steppedDown = false;
	#terminalUp = false;
	#ended = false;

	/** `onTerminalUp` is called when the terminal is there, once more after `tellAgain`. */
	constructor(readonly onTerminalUp: () => void) {}

	start(): void {
		for (const path of [GUEST_PATH.sessionEnded, GUEST_PATH.terminalUp]) {
			// In a machine of another initramfs they may not be there yet.
			mkdirSync(dirname(path), { recursive: true });
			watch(dirname(path), () => this.check());
		}
		this.check();
		// A watch that starts while its folder changes can miss the change; looking again costs two stat() a second.
		const timer = setInterval(() => {
			this.check();
			if (this.#terminalUp && this.#ended) clearInterval(timer);
		}, LOOK_AGAIN_MS);
	}

	/** Tells everything once more: what it had told went to the host that made the snapshot. */
	tellAgain(): void {
		this.#graphics = false;
		this.#steppedDown = false;
		this.#terminalUp = false;
		this.#ended = false;
		this.check();
	}

	/** Also called before the agent ends: the last event must not be lost when the guest powers off. */
	check(): void {
		if (!this.#graphics && existsSync(GUEST_PATH.graphics)) this.#graphics = sendEvent(graphicsEvent(null));
		if (!this.#steppedDown && existsSync(GUEST_PATH.steppedDown)) {
			this.#steppedDown = sendEvent(graphicsEvent(readFileSync(GUEST_PATH.steppedDown, "utf8").trim()));
		}
		if (!this.#terminalUp && existsSync(GUEST_PATH.terminalUp) && !existsSync(GUEST_PATH.askingOpengl)) {
			this.#terminalUp = sendEvent({ event: "terminal-up" });
			this.onTerminalUp();
		}
		if (!this.#ended && existsSync(GUEST_PATH.sessionEnded)) {
			const [result = "unknown", code = "", status = ""] = readFileSync(GUEST_PATH.sessionEnded, "utf8")
				.trim()
				.split(" ");
			this.#ended = sendEvent({
				event: "session-ended",
				result,
				status: `${code} ${status}`.trim().slice(0, 64),
				terminalWasUp: existsSync(GUEST_PATH.terminalUp),
				log: logTail(),
			});
		}
	}
}
