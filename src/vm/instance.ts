/** One running machine's private folder, from its owner's side: keys, sockets, a held lock, and a record for the other verbs. */
import { randomBytes } from "node:crypto";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT, Fault } from "../errors.ts";
import { ensurePrivateFolder } from "../host/directories.ts";
import { holdLock } from "../host/file-lock.ts";
import { identify, isAlive, type ProcessId } from "../host/processes.ts";
import { VERSION } from "../version.ts";
import { PROTOCOL_VERSION } from "../wire/names.ts";
import { checkName, friendlyName } from "./friendly-names.ts";
import { INSTANCE_FILE, type InstanceRecord, MACHINE_FOLDER, MAKER_FOLDER } from "./instance-record.ts";
import { sweepDead } from "./registry.ts";

/** `sun_path` holds 108 bytes on Linux and 104 on macOS, the final NUL included. */
const SOCKET_PATH_BYTES_MAX = 103;
const LONGEST_SOCKET_NAME = `${MAKER_FOLDER}/agent.sock`;
/** Two friendly words can be taken; this many pairs cannot. */
const NAMES_TRIED = 20;

export class Instance implements Disposable {
	readonly name: string;
	readonly folder: string;
	#record: InstanceRecord;

	private constructor(folder: string, record: InstanceRecord) {
		this.name = record.name;
		this.folder = folder;
		this.#record = record;
	}

	/**
	 * Makes a new instance folder below `runtime`, after removing those whose launcher is dead.
	 *
	 * @throws Fault if a machine of that name runs.
	 */
	static create(runtime: string, asked: string | null): Instance {
		if (asked !== null) checkName(asked);
		ensurePrivateFolder(runtime);
		sweepDead(runtime);
		// It gets its name only when it says whose it is: a start beside this one would take it for a dead launcher's.
		const unnamed = join(runtime, `.${randomBytes(4).toString("hex")}`);
		mkdirSync(unnamed, { mode: 0o700 });
		try {
			if (!holdLock(join(unnamed, INSTANCE_FILE.lock))) throw new Fault("The lock of a new machine is taken");
			for (let tried = 0; tried < NAMES_TRIED; tried++) {
				const name = asked ?? friendlyName();
				const folder = join(runtime, name);
				checkSocketPaths(runtime, folder);
				const record = newRecord(name);
				saveRecord(unnamed, record);
				if (claim(unnamed, folder)) return new Instance(folder, record);
				if (asked !== null) break;
			}
			throw new Fault(`A machine named ${asked ?? friendlyName()} is running`, {
				fix: "choose another --name; `virtualghost list` shows what runs",
				exitCode: EXIT.usage,
			});
		} catch (error) {
			rmSync(unnamed, { recursive: true, force: true });
			throw error;
		}
	}

	get record(): InstanceRecord {
		return this.#record;
	}

	/** Tells the other verbs what is new. On a full disk they see the old record, and the machine goes on. */
	update(change: Partial<InstanceRecord>): void {
		this.#record = { ...this.#record, ...change };
		try {
			saveRecord(this.folder, this.#record);
		} catch {
			// Nothing here depends on it.
		}
	}

	/** Remembers a child, so that the next start can end it if this launcher is killed. */
	adopt(pid: number): void {
		const child = identify(pid);
		if (child) this.update({ children: [...this.#record.children, child] });
	}

	/** Children that still run; none after the instance's machine is taken down. */
	livingChildren(): ProcessId[] {
		return this.#record.children.filter(isAlive);
	}

	/** The folder that QEMU gets; made when it is first asked for. */
	get machineFolder(): string {
		const folder = this.path(MACHINE_FOLDER);
		mkdirSync(folder, { recursive: true, mode: 0o700 });
		return folder;
	}

	path(name: string): string {
		return join(this.folder, name);
	}

	/** A file that only this user can read. */
	writePrivate(name: string, content: string): string {
		const path = this.path(name);
		writeFileSync(path, content, { mode: 0o600, flag: "wx" });
		return path;
	}

	[Symbol.dispose](): void {
		rmSync(this.folder, { recursive: true, force: true });
	}
}

function checkSocketPaths(runtime: string, folder: string): void {
	if (Buffer.byteLength(join(folder, LONGEST_SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX) return;
	throw new Fault(`The runtime folder's path is too long for a socket: ${runtime}`, {
		why: `a Unix socket's path holds ${SOCKET_PATH_BYTES_MAX} bytes`,
		fix: "set XDG_RUNTIME_DIR (or TMPDIR) to a folder with a shorter path",
	});
}

function newRecord(name: string): InstanceRecord {
	return {
		name,
		version: VERSION,
		protocol: PROTOCOL_VERSION,
		launcher: identify(process.pid) ?? { pid: process.pid, startTime: null },
		children: [],
		startedAt: new Date().toISOString(),
		stage: "starting",
		logs: null,
		machine: null,
		control: null,
		published: [],
	};
}

/** Gives the folder its name; false where another machine has it. Renaming over a folder with something in it fails. */
function claim(unnamed: string, folder: string): boolean {
	try {
		renameSync(unnamed, folder);
		return true;
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (code === "ENOTEMPTY" || code === "EEXIST" || code === "EPERM") return false;
		throw error;
	}
}

function saveRecord(folder: string, record: InstanceRecord): void {
	const temporary = join(folder, `${INSTANCE_FILE.record}.tmp`);
	writeFileSync(temporary, JSON.stringify(record, null, 2), { mode: 0o600 });
	renameSync(temporary, join(folder, INSTANCE_FILE.record));
}
