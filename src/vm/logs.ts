/** Logs: one folder a run in the state folder, the last few kept, each file bounded. */
import {
	closeSync,
	existsSync,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmSync,
	statSync,
	writeSync,
} from "node:fs";
import { join } from "node:path";
import { Fault, reason } from "../errors.ts";

export const LOG_FILE = {
	/** What the launcher decided and did. */
	launcher: "launcher.log",
	/** The guest's serial console: kernel and systemd. */
	serial: "serial.log",
	/** QEMU's own output. */
	qemu: "qemu.log",
	/** vhost-device-vsock's output. */
	vsock: "vsock.log",
	/** passt's output, and the packet filter's. */
	network: "network.log",
} as const;

/** What a log may take on the disk: a guest that writes for ever keeps its last words, and the disk its space. */
export const LOG_BYTES_MAX = 1024 * 1024;
/** A file starts over at half of that; the older half is `<name>.old` until the next time. */
const HALF_BYTES = LOG_BYTES_MAX / 2;
/** How much of a log an error message shows. */
const TAIL_LINES = 15;
const TAIL_BYTES = 16 * 1024;

/** Appends to a file and keeps it, together with its older half, within `LOG_BYTES_MAX`. Never throws after it is open: a log can be done without. */
export class LogFile {
	readonly path: string;
	/** -1 when closed, also after a rotation that failed: the number may be somebody else's by then. */
	#fd: number;
	#bytes: number;

	constructor(path: string) {
		this.path = path;
		this.#fd = openSync(path, "a", 0o600);
		this.#bytes = statSync(path).size;
	}

	/** Bytes in the current file. */
	get size(): number {
		return this.#bytes;
	}

	write(bytes: Uint8Array | string): void {
		// No writer comes near to that at once; if one does, its end says more than its beginning.
		const data = (typeof bytes === "string" ? Buffer.from(bytes) : bytes).subarray(-HALF_BYTES);
		try {
			if (this.#bytes + data.length > HALF_BYTES) this.#startOver();
			if (this.#fd >= 0) this.#bytes += writeSync(this.#fd, data);
		} catch {
			// A full disk must not end a running machine.
		}
	}

	#startOver(): void {
		this.#close();
		renameSync(this.path, `${this.path}.old`);
		this.#fd = openSync(this.path, "a", 0o600);
		this.#bytes = 0;
	}

	#close(): void {
		if (this.#fd >= 0) closeSync(this.#fd);
		this.#fd = -1;
	}

	[Symbol.dispose](): void {
		this.#close();
	}
}

/** The logs of one run. */
export class RunLogs {
	readonly folder: string;
	readonly #launcher: LogFile;

	private constructor(folder: string) {
		this.folder = folder;
		this.#launcher = this.open("launcher");
	}

	/**
	 * Makes the folder of this run and removes the oldest ones beyond `keep`, but none of a run that is still going on (`live`
	 * holds the names of their machines).
	 *
	 * @throws Fault if the state folder cannot be written.
	 */
	static create(state: string, machine: string, keep: number, live: ReadonlySet<string>): RunLogs {
		const parent = runsFolder(state);
		const stamp = new Date().toISOString().replaceAll(/[:.]/g, "-");
		const folder = join(parent, `${stamp}-${machine}`);
		try {
			mkdirSync(folder, { recursive: true, mode: 0o700 });
			const isLive = (folder: string) => live.has(machineOf(folder) ?? "");
			const old = readdirSync(parent)
				.sort()
				.reverse()
				.slice(keep)
				.filter((name) => !isLive(name));
			for (const name of old) rmSync(join(parent, name), { recursive: true, force: true });
		} catch (error) {
			throw new Fault(`The log folder ${folder} cannot be made`, {
				why: reason(error),
				fix: "check the permissions and free space there, or set XDG_STATE_HOME to a folder that you can write to",
				cause: error,
			});
		}
		return new RunLogs(folder);
	}

	/** Logs of a second machine of this run, in a folder of their own. */
	inside(name: string): RunLogs {
		const folder = join(this.folder, name);
		mkdirSync(folder, { recursive: true, mode: 0o700 });
		return new RunLogs(folder);
	}

	path(name: keyof typeof LOG_FILE): string {
		return join(this.folder, LOG_FILE[name]);
	}

	open(name: keyof typeof LOG_FILE): LogFile {
		return new LogFile(this.path(name));
	}

	/** A line in the launcher's log, with the time. */
	note(text: string): void {
		this.#launcher.write(`${new Date().toISOString()} ${text}\n`);
	}

	/** The last lines of a log from `fromByte` on; untrusted bytes where the guest wrote them. */
	tail(name: keyof typeof LOG_FILE, fromByte = 0): string {
		const path = this.path(name);
		if (!existsSync(path)) return "";
		const text = readFileSync(path).subarray(fromByte).subarray(-TAIL_BYTES).toString("utf8");
		return text.trimEnd().split("\n").slice(-TAIL_LINES).join("\n");
	}
}

/** Folders `<time>-<machine>`, one a run. */
function runsFolder(state: string): string {
	return join(state, "runs");
}

/** `2026-11-22T20-42-10-123Z-brave-otter` -> `brave-otter`. */
function machineOf(folder: string): string | null {
	return /^[\dT-]+Z-(.+)$/.exec(folder)?.[1] ?? null;
}

/** Log folder of the latest run (of the machine `name`, if given), or null. */
export function latestRun(state: string, name: string | undefined): string | null {
	const parent = runsFolder(state);
	if (!existsSync(parent)) return null;
	const runs = readdirSync(parent).sort();
	const last = runs.filter((folder) => name === undefined || machineOf(folder) === name).at(-1);
	return last === undefined ? null : join(parent, last);
}
