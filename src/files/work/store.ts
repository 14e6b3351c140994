/** Work copies on disk: a folder each in the data folder, from the start of their machine until their changes are dealt with. */
import { randomBytes } from "node:crypto";
import {
	closeSync,
	fsyncSync,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { EXIT, Fault } from "../../errors.ts";
import { ensurePrivateFolder } from "../../host/directories.ts";
import { isLockHeld, openLocked } from "../../host/file-lock.ts";
import { createQcow2 } from "../disks.ts";

const FILE = {
	/** What the work copy is of. */
	record: "work.json",
	/** qcow2: the upper layer of the guest's overlay. */
	disk: "work.qcow2",
	/** The guest's stream of changes, once all of it is here. */
	changes: "changes",
	/** The same while it arrives. */
	part: "changes.part",
	lock: "lock",
} as const;

/** What a guest can write in a work copy, and with it what it can take of the host's disk. */
const DISK_MIB = 16 * 1024;

const recordSchema = z.object({
	format: z.literal(1),
	/** Real path of the folder. */
	folder: z.string(),
	/** Milliseconds since 1970. */
	startedAt: z.number(),
	/** The machine's. */
	name: z.string(),
});
export type WorkRecord = z.infer<typeof recordSchema>;

const ID = /^[0-9]{8}-[0-9]{6}-[0-9a-f]{4}$/;

export interface KnownWork extends WorkRecord {
	readonly id: string;
	readonly path: string;
	/** The changes are here; else they are in the disk still. */
	readonly isCollected: boolean;
	/** A machine has it. */
	readonly inUse: boolean;
	readonly diskBytes: number;
}

/** A work copy that this process has. */
export class Work implements Disposable {
	readonly id: string;
	readonly record: WorkRecord;
	readonly #path: string;
	readonly #lock: number;

	private constructor(id: string, path: string, record: WorkRecord, lock: number) {
		this.id = id;
		this.#path = path;
		this.record = record;
		this.#lock = lock;
	}

	static create(data: string, folder: string, name: string): Work {
		const parent = workFolder(data);
		mkdirSync(data, { recursive: true, mode: 0o700 });
		ensurePrivateFolder(parent);
		const startedAt = Date.now();
		const stamp = new Date(startedAt)
			.toISOString()
			.replaceAll(/[-:]|\..*/g, "")
			.replace("T", "-");
		const id = `${stamp}-${randomBytes(2).toString("hex")}`;
		const path = join(parent, id);
		mkdirSync(path, { mode: 0o700 });
		const lock = openLocked(join(path, FILE.lock));
		if (lock === null) throw new Fault("The lock of a new work copy is taken");
		const record: WorkRecord = { format: 1, folder, startedAt, name };
		writeFileSync(join(path, FILE.record), JSON.stringify(record), { mode: 0o600 });
		createQcow2(join(path, FILE.disk), DISK_MIB);
		return new Work(id, path, record, lock);
	}

	/** @throws Fault where there is none of that id, or a machine has it */
	static open(data: string, id: string): Work {
		const { path, ...record } = findWork(data, id);
		const lock = openLocked(join(path, FILE.lock));
		if (lock !== null) return new Work(id, path, record, lock);
		throw new Fault(`The work copy ${id} is in use`, { why: "its machine runs", fix: "end that machine first" });
	}

	get disk(): string {
		return join(this.#path, FILE.disk);
	}

	get isCollected(): boolean {
		return statSync(this.changes, { throwIfNoEntry: false }) !== undefined;
	}

	/** Where the guest's stream is, once it is whole. */
	get changes(): string {
		return join(this.#path, FILE.changes);
	}

	/** Where it is written first. */
	get part(): string {
		return join(this.#path, FILE.part);
	}

	/** The stream is whole: the disk is not needed any more. */
	keepChanges(): void {
		const fd = openSync(this.part, "r");
		fsyncSync(fd);
		closeSync(fd);
		renameSync(this.part, this.changes);
	}

	/** The changes are dealt with. */
	remove(): void {
		rmSync(this.#path, { recursive: true, force: true });
	}

	[Symbol.dispose](): void {
		closeSync(this.#lock);
	}
}

export function workFolder(data: string): string {
	return join(data, "work");
}

/** The oldest first. */
export function listWork(data: string): KnownWork[] {
	let names: string[];
	try {
		names = readdirSync(workFolder(data));
	} catch {
		return [];
	}
	return names
		.filter((id) => ID.test(id))
		.sort()
		.flatMap((id) => describeWork(data, id) ?? []);
}

function describeWork(data: string, id: string): KnownWork | null {
	const path = join(workFolder(data), id);
	try {
		const record = recordSchema.parse(JSON.parse(readFileSync(join(path, FILE.record), "utf8")));
		const sizes = readdirSync(path).map((name) => statSync(join(path, name), { throwIfNoEntry: false })?.blocks ?? 0);
		return {
			...record,
			id,
			path,
			isCollected: statSync(join(path, FILE.changes), { throwIfNoEntry: false }) !== undefined,
			inUse: isLockHeld(join(path, FILE.lock)) === true,
			diskBytes: sizes.reduce((sum, blocks) => sum + blocks * 512, 0),
		};
	} catch {
		// Being made, being removed, or not ours.
		return null;
	}
}

/** @throws Fault where there is none */
export function findWork(data: string, id: string): KnownWork {
	const found = ID.test(id) ? describeWork(data, id) : null;
	if (found) return found;
	const known = listWork(data).map((each) => each.id);
	throw new Fault(`There is no work copy ${JSON.stringify(id)}`, {
		fix: known.length > 0 ? `there are: ${known.join(", ")}` : "virtualghost run --work FOLDER makes one",
		exitCode: EXIT.usage,
	});
}
