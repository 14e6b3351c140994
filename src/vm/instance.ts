/** One running machine's private folder: sockets, keys, and who it belongs to. Also cleans up after killed launchers. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../errors.ts";
import { ensurePrivateFolder } from "../host/directories.ts";
import { identify, isAlive, type ProcessId, signalQuietly } from "../host/processes.ts";

/** Files of an instance folder. */
export const INSTANCE_FILE = {
	/** `Owners` as JSON: the launcher and its children, by pid and start time. */
	owners: "owners.json",
	/** SMBIOS strings for QEMU to read. */
	hostKeyCredential: "host-key.cred",
	authorizedKeyCredential: "authorized-key.cred",
} as const;

/** `sun_path` holds 108 bytes on Linux and 104 on macOS, the final NUL included. */
const SOCKET_PATH_BYTES_MAX = 103;
const LONGEST_SOCKET_NAME = "vhost.sock";

interface Owners {
	readonly launcher: ProcessId;
	readonly children: readonly ProcessId[];
}

export class Instance implements Disposable {
	readonly id: string;
	readonly folder: string;
	#children: ProcessId[] = [];

	private constructor(id: string, folder: string) {
		this.id = id;
		this.folder = folder;
	}

	/** Makes a new instance folder below `runtime`, after removing those whose launcher is dead. */
	static create(runtime: string): Instance {
		ensurePrivateFolder(runtime);
		sweepDead(runtime);
		const id = randomBytes(4).toString("hex");
		const folder = join(runtime, id);
		if (Buffer.byteLength(join(folder, LONGEST_SOCKET_NAME)) > SOCKET_PATH_BYTES_MAX) {
			throw new Fault(`The runtime folder's path is too long for a socket: ${runtime}`, {
				why: `a Unix socket's path holds ${SOCKET_PATH_BYTES_MAX} bytes`,
				fix: "set XDG_RUNTIME_DIR (or TMPDIR) to a folder with a shorter path",
			});
		}
		// It gets its name only when it says whose it is: a start beside this one would take it for a dead launcher's.
		const unnamed = join(runtime, `.${id}`);
		mkdirSync(unnamed, { mode: 0o700 });
		saveOwners(unnamed, []);
		renameSync(unnamed, folder);
		return new Instance(id, folder);
	}

	/** Remembers a child, so that the next start can end it if this launcher is killed. */
	adopt(pid: number): void {
		const child = identify(pid);
		if (child) this.#children.push(child);
		saveOwners(this.folder, this.#children);
	}

	/** Children that still run; none after the instance's machine is taken down. */
	livingChildren(): ProcessId[] {
		return this.#children.filter(isAlive);
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

function saveOwners(folder: string, children: readonly ProcessId[]): void {
	const launcher = identify(process.pid) ?? { pid: process.pid, startTime: null };
	const owners: Owners = { launcher, children };
	const temporary = join(folder, `${INSTANCE_FILE.owners}.tmp`);
	writeFileSync(temporary, JSON.stringify(owners), { mode: 0o600 });
	renameSync(temporary, join(folder, INSTANCE_FILE.owners));
}

/** Ends what killed launchers left running and removes their folders. Returns how many there were. */
export function sweepDead(runtime: string): number {
	if (!existsSync(runtime)) return 0;
	let swept = 0;
	for (const name of readdirSync(runtime)) {
		const folder = join(runtime, name);
		if (name.startsWith(".") && !isOld(folder)) continue;
		const owners = readOwners(folder);
		if (owners && isAlive(owners.launcher)) continue;
		for (const child of owners?.children ?? []) {
			if (isAlive(child)) signalQuietly(-child.pid, "SIGKILL");
		}
		rmSync(folder, { recursive: true, force: true });
		swept++;
	}
	return swept;
}

/** A folder without its name is in the making for a millisecond; one that still is after a minute was left by a kill. */
function isOld(folder: string): boolean {
	const stat = statSync(folder, { throwIfNoEntry: false });
	return stat !== undefined && Date.now() - stat.mtimeMs > 60_000;
}

/** Ids of the instances whose launcher runs now. */
export function liveInstances(runtime: string): Set<string> {
	if (!existsSync(runtime)) return new Set();
	const alive = (name: string) => {
		const owners = readOwners(join(runtime, name));
		return owners !== null && isAlive(owners.launcher);
	};
	return new Set(readdirSync(runtime).filter(alive));
}

function readOwners(folder: string): Owners | null {
	try {
		return JSON.parse(readFileSync(join(folder, INSTANCE_FILE.owners), "utf8")) as Owners;
	} catch {
		// No folder of ours, or damaged.
		return null;
	}
}
