/** Logs: one folder a run in the state folder, the last few kept, each file bounded. */
import {
	appendFileSync,
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
} as const;

/** A log file starts over (the older part goes to `<name>.old`) at this size, so that a guest cannot fill the disk. */
const LOG_BYTES_MAX = 1024 * 1024;
/** How much of a log an error message shows. */
const TAIL_LINES = 15;
const TAIL_BYTES = 16 * 1024;

/** Appends to a file and keeps it below twice `LOG_BYTES_MAX`. */
export class LogFile {
	readonly path: string;
	#fd: number;
	#bytes: number;

	constructor(path: string) {
		this.path = path;
		this.#fd = openSync(path, "a", 0o600);
		this.#bytes = statSync(path).size;
	}

	write(bytes: Uint8Array | string): void {
		const data = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
		try {
			if (this.#bytes + data.length > LOG_BYTES_MAX) this.#startOver();
			this.#bytes += writeSync(this.#fd, data);
		} catch {
			// A full disk must not end a running machine: the log is what we can do without.
		}
	}

	#startOver(): void {
		closeSync(this.#fd);
		renameSync(this.path, `${this.path}.old`);
		this.#fd = openSync(this.path, "a", 0o600);
		this.#bytes = 0;
	}

	[Symbol.dispose](): void {
		closeSync(this.#fd);
	}
}

/** The logs of one run. */
export class RunLogs {
	readonly folder: string;

	private constructor(folder: string) {
		this.folder = folder;
	}

	/**
	 * Makes the folder of this run and removes the oldest ones beyond `keep`.
	 *
	 * @throws Fault if the state folder cannot be written.
	 */
	static create(state: string, id: string, keep: number): RunLogs {
		const parent = join(state, "runs");
		const stamp = new Date().toISOString().replaceAll(/[:.]/g, "-");
		const folder = join(parent, `${stamp}-${id}`);
		try {
			mkdirSync(folder, { recursive: true, mode: 0o700 });
			const old = readdirSync(parent).sort().reverse().slice(keep);
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

	path(name: keyof typeof LOG_FILE): string {
		return join(this.folder, LOG_FILE[name]);
	}

	open(name: keyof typeof LOG_FILE): LogFile {
		return new LogFile(this.path(name));
	}

	/** A line in the launcher's log, with the time. Never throws. */
	note(text: string): void {
		try {
			appendFileSync(this.path("launcher"), `${new Date().toISOString()} ${text}\n`, { mode: 0o600 });
		} catch {
			// See LogFile.write.
		}
	}

	/** The last lines of a log; untrusted bytes where the guest wrote them. */
	tail(name: keyof typeof LOG_FILE): string {
		const path = this.path(name);
		if (!existsSync(path)) return "";
		const text = readFileSync(path).subarray(-TAIL_BYTES).toString("utf8");
		return text.trimEnd().split("\n").slice(-TAIL_LINES).join("\n");
	}
}
