/**
 * The journal: which drivers a card's functions had before we touched them. It is on the disk before the first unbind, and gone
 * only when everything is back. Root writes it, everybody may read it.
 */
import {
	chmodSync,
	closeSync,
	constants,
	fchmodSync,
	fstatSync,
	fsyncSync,
	lstatSync,
	mkdirSync,
	openSync,
	readdirSync,
	readSync,
	renameSync,
	rmSync,
	writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { Fault, reason } from "../errors.ts";
import { openLocked } from "../host/file-lock.ts";
import { type Bdf, isBdf } from "./bdf.ts";
import { isDriverName } from "./judge-group.ts";

/** Root's; `/var/lib`, not `/run`, so that a start after a reboot can say what became of it. */
export const JOURNAL_FOLDER = "/var/lib/virtualghost/vfio";

const BYTES_MAX = 64 * 1024;
const SUFFIX = ".json";

const bdf = z.string().refine(isBdf);
const driver = z.string().refine(isDriverName);

const journalSchema = z.strictObject({
	version: z.literal(1),
	/** Of the start of the kernel in which this holds: after a reboot every device has its driver again. */
	bootId: z.string().regex(/^[0-9a-f-]{1,64}$/),
	gpu: bdf,
	group: z.int().min(0),
	/** The group's device node. */
	node: z.string().regex(/^\/dev\/vfio\/\d{1,7}$/),
	/** What the node was before, if it was there before. */
	nodeBefore: z.strictObject({ uid: z.int().min(0), mode: z.int().min(0).max(0o7777) }).nullable(),
	/** Bound by hand and meant to stay so: no helper looks after it. */
	kept: z.boolean(),
	/** The process that looks after it. */
	helper: z.strictObject({ pid: z.int().min(1), startTime: z.string().max(64).nullable() }),
	functions: z
		.array(z.strictObject({ bdf, driver: driver.nullable(), driverOverride: driver.nullable() }))
		.min(1)
		.max(512),
});

export type Journal = z.infer<typeof journalSchema>;

/** What lies in the folder under a card's name: a journal, or why it is none. */
export type Found =
	| { readonly gpu: Bdf; readonly journal: Journal }
	| { readonly gpu: Bdf; readonly journal: null; readonly why: string };

/** Held until it is disposed of, or its holder dies, *and* every child that inherited the descriptor has ended. */
export interface GroupLock extends Disposable {
	readonly fd: number;
}

export class Journals {
	readonly #folder: string;
	readonly #owner: number;

	/** Both are for tests: the folder is `JOURNAL_FOLDER`, and only root is believed. */
	constructor(folder = JOURNAL_FOLDER, owner = 0) {
		this.#folder = folder;
		this.#owner = owner;
	}

	pathOf(gpu: Bdf): string {
		return join(this.#folder, `${gpu}${SUFFIX}`);
	}

	/** All there are, by address. Empty where the folder cannot be read. */
	list(): Found[] {
		let names: string[];
		try {
			names = readdirSync(this.#folder);
		} catch {
			return [];
		}
		const gpus = names.filter((name) => name.endsWith(SUFFIX)).map((name) => name.slice(0, -SUFFIX.length));
		return gpus
			.filter(isBdf)
			.sort()
			.flatMap((gpu) => this.load(gpu) ?? []);
	}

	/** Null if there is none. */
	load(gpu: Bdf): Found | null {
		let text: string | null;
		try {
			text = readTrusted(this.pathOf(gpu), this.#owner);
		} catch (error) {
			return { gpu, journal: null, why: reason(error) };
		}
		if (text === null) return null;
		try {
			const journal = journalSchema.parse(JSON.parse(text));
			if (journal.gpu !== gpu) return { gpu, journal: null, why: `it is about ${journal.gpu}` };
			return { gpu, journal };
		} catch {
			return { gpu, journal: null, why: "it does not hold what virtualghost writes" };
		}
	}

	/** Returns when it is on the disk. @throws Fault */
	save(journal: Journal): void {
		const path = this.pathOf(journal.gpu);
		const temporary = `${path}.new`;
		try {
			this.#ensureFolder();
			// Whoever holds the group's lock is alone with these names.
			rmSync(temporary, { force: true });
			const fd = openSync(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o644);
			try {
				writeSync(fd, `${JSON.stringify(journalSchema.parse(journal), null, "\t")}\n`);
				// Whatever the umask is: a start without root reads it.
				fchmodSync(fd, 0o644);
				fsyncSync(fd);
			} finally {
				closeSync(fd);
			}
			renameSync(temporary, path);
			syncFolder(this.#folder);
		} catch (error) {
			if (error instanceof Fault) throw error;
			throw new Fault(`The journal ${path} cannot be written`, {
				why: reason(error),
				fix: "without it a card would not find its driver again: make room on the disk, or make the folder writable",
				cause: error,
			});
		}
	}

	/** @throws Fault */
	remove(gpu: Bdf): void {
		try {
			rmSync(this.pathOf(gpu), { force: true });
			syncFolder(this.#folder);
		} catch (error) {
			throw new Fault(`The journal ${this.pathOf(gpu)} cannot be removed`, { why: reason(error), cause: error });
		}
	}

	/** The lock of an IOMMU group, for one that binds or gives back; null while somebody else has it. @throws Fault */
	lock(group: number): GroupLock | null {
		this.#ensureFolder();
		// Root's alone: whoever could open it could lock it for ever.
		const fd = openLocked(join(this.#folder, `group-${group}.lock`));
		return fd === null ? null : { fd, [Symbol.dispose]: () => closeSync(fd) };
	}

	/** @throws Fault if others than root could change what is in there. */
	#ensureFolder(): void {
		for (const folder of [dirname(this.#folder), this.#folder]) {
			const stat = lstatSync(folder, { throwIfNoEntry: false });
			if (!stat) {
				mkdirSync(folder, { recursive: true });
				chmodSync(folder, 0o755);
				syncFolder(dirname(folder));
				continue;
			}
			if (stat.isDirectory() && stat.uid === this.#owner && (stat.mode & 0o022) === 0) continue;
			throw new Fault(`The folder ${folder} is not root's alone`, {
				why: "what lies there decides which drivers devices get",
				fix: `remove ${folder}, or \`chown root\` it and \`chmod 755\` it`,
			});
		}
	}
}

/** Null if there is no such file. @throws Error if it is not a plain file of the owner's alone. */
function readTrusted(path: string, owner: number): string | null {
	let fd: number;
	try {
		fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
		throw error;
	}
	try {
		const stat = fstatSync(fd);
		if (!stat.isFile() || stat.uid !== owner || (stat.mode & 0o022) !== 0) throw new Error("it is not root's alone");
		if (stat.size > BYTES_MAX) throw new Error("it is too big");
		const bytes = Buffer.alloc(BYTES_MAX);
		return bytes.subarray(0, readSync(fd, bytes, 0, BYTES_MAX, 0)).toString("utf8");
	} finally {
		closeSync(fd);
	}
}

function syncFolder(folder: string): void {
	const fd = openSync(folder, "r");
	try {
		fsyncSync(fd);
	} finally {
		closeSync(fd);
	}
}
