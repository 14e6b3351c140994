/**
 * Snapshots on disk: a folder each below the cache, named by what the machine is. A folder gets its name when it is whole; what is read
 * from it is checked against its manifest each time, since a guest whose memory has changed behind its back may do anything.
 */
import { createHash, randomBytes } from "node:crypto";
import {
	closeSync,
	fstatSync,
	fsyncSync,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	readSync,
	renameSync,
	rmSync,
	statSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { reason } from "../../errors.ts";
import { openLocked, takeLock } from "../../host/file-lock.ts";
import { dataChunks } from "../../host/sparse.ts";

export const SNAPSHOT_FILE = { ram: "ram", state: "state", manifest: "manifest.json", lock: "lock" } as const;

const CHUNK_BYTES = 1024 * 1024;
const MIB = 1024 * 1024;

const manifestSchema = z.object({
	format: z.literal(1),
	key: z.string(),
	ramBytes: z.number().int().positive(),
	stateSha256: z.string(),
	/** Number and hash (wyhash, hexadecimal) of each MiB of memory that is not all zero. Against accidents, not against attackers. */
	chunks: z.array(z.tuple([z.number().int().nonnegative(), z.string()])),
});

export function snapshotsFolder(cache: string): string {
	return join(cache, "snapshots");
}

export function snapshotKey(shape: string): string {
	return createHash("sha256").update(shape).digest("hex").slice(0, 20);
}

export function snapshotPath(cache: string, key: string): string {
	return join(snapshotsFolder(cache), key);
}

export interface Draft extends Disposable {
	readonly folder: string;
	/** Makes it the snapshot of `key`. @throws Error on a full disk */
	publish(): void;
}

/** A folder to make the snapshot of `key` in; null while somebody else makes it. What was not published is removed. */
export function openDraft(cache: string, key: string): Draft | null {
	const parent = snapshotsFolder(cache);
	mkdirSync(parent, { recursive: true, mode: 0o700 });
	const lock = openLocked(join(parent, `.${key}.${SNAPSHOT_FILE.lock}`));
	if (lock === null) return null;
	// Nobody else makes this one: a draft of it is a dead process's.
	for (const name of readdirSync(parent)) {
		if (name.startsWith(`.${key}.`) && name.endsWith(".draft")) rmSync(join(parent, name), { recursive: true });
	}
	const folder = join(parent, `.${key}.${randomBytes(4).toString("hex")}.draft`);
	mkdirSync(folder, { mode: 0o700 });
	return {
		folder,
		publish: () => {
			writeManifest(folder, key);
			const final = snapshotPath(cache, key);
			rmSync(final, { recursive: true, force: true });
			renameSync(folder, final);
			syncFolder(parent);
		},
		[Symbol.dispose]: () => {
			rmSync(folder, { recursive: true, force: true });
			// The lock's file stays: who has it open and waits for it must not lock what nobody else can see.
			closeSync(lock);
		},
	};
}

function writeManifest(folder: string, key: string): void {
	const ram = openSync(join(folder, SNAPSHOT_FILE.ram), "r+");
	try {
		fsyncSync(ram);
		const ramBytes = fstatSync(ram).size;
		const manifest: z.infer<typeof manifestSchema> = {
			format: 1,
			key,
			ramBytes,
			stateSha256: hashFile(join(folder, SNAPSHOT_FILE.state)),
			chunks: [...hashChunks(ram, ramBytes)],
		};
		const path = join(folder, SNAPSHOT_FILE.manifest);
		writeFileSync(path, JSON.stringify(manifest), { mode: 0o600 });
		for (const name of [SNAPSHOT_FILE.state, SNAPSHOT_FILE.manifest]) syncFolder(join(folder, name));
	} finally {
		closeSync(ram);
	}
}

/** Why the snapshot of `key` cannot be used; null if it can. */
export function checkSnapshot(folder: string, key: string): string | null {
	let ram: number | null = null;
	try {
		const manifest = manifestSchema.parse(JSON.parse(readFileSync(join(folder, SNAPSHOT_FILE.manifest), "utf8")));
		if (manifest.key !== key) return "it belongs to another machine";
		if (hashFile(join(folder, SNAPSHOT_FILE.state)) !== manifest.stateSha256) return "its device state has changed";
		ram = openSync(join(folder, SNAPSHOT_FILE.ram), "r");
		if (fstatSync(ram).size !== manifest.ramBytes) return "its memory has another size";
		const expected = new Map(manifest.chunks);
		for (const [index, hash] of hashChunks(ram, manifest.ramBytes)) {
			if (expected.get(index) !== hash) return "its memory has changed";
			expected.delete(index);
		}
		if (expected.size > 0) return "part of its memory is gone";
		// The one used least recently goes first when there are too many.
		utimesSync(folder, new Date(), new Date());
		return null;
	} catch (error) {
		return error instanceof z.ZodError || error instanceof SyntaxError ? "its manifest is damaged" : reason(error);
	} finally {
		if (ram !== null) closeSync(ram);
	}
}

/** Chunks that are not all zero. Holes are not read. */
function* hashChunks(fd: number, size: number): Generator<[number, string]> {
	const buffer = Buffer.alloc(CHUNK_BYTES);
	const zero = Bun.hash.wyhash(buffer);
	for (const index of dataChunks(fd, size, CHUNK_BYTES)) {
		const length = readSync(fd, buffer, 0, CHUNK_BYTES, index * CHUNK_BYTES);
		const hash = Bun.hash.wyhash(buffer.subarray(0, length));
		if (hash !== zero) yield [index, hash.toString(16)];
	}
}

function hashFile(path: string): string {
	return createHash("sha256").update(readFileSync(path)).digest("hex");
}

function syncFolder(path: string): void {
	const fd = openSync(path, "r");
	try {
		fsyncSync(fd);
	} finally {
		closeSync(fd);
	}
}

/** Never throws: a snapshot that cannot be removed is not used either. */
export function removeSnapshot(folder: string): void {
	try {
		rmSync(folder, { recursive: true, force: true });
	} catch {
		// It fails its check again next time.
	}
}

export interface KnownSnapshot {
	readonly key: string;
	readonly folder: string;
	/** On disk. */
	readonly bytes: number;
	readonly usedAt: Date;
}

/** Most recently used first. */
export function listSnapshots(cache: string): KnownSnapshot[] {
	const parent = snapshotsFolder(cache);
	const names = readdirSyncSafe(parent).filter((name) => !name.startsWith("."));
	return names
		.flatMap((key): KnownSnapshot[] => {
			const folder = join(parent, key);
			const stat = statSync(folder, { throwIfNoEntry: false });
			if (!stat) return [];
			const bytes = readdirSyncSafe(folder).reduce((sum, name) => sum + diskBytes(join(folder, name)), 0);
			return [{ key, folder, bytes, usedAt: stat.mtime }];
		})
		.sort((a, b) => b.usedAt.getTime() - a.usedAt.getTime());
}

/** Removes the least recently used until the rest takes at most `maxMiB` on disk; and what dead makers left. */
export function trimSnapshots(cache: string, maxMiB: number): void {
	let bytes = 0;
	for (const each of listSnapshots(cache)) {
		bytes += each.bytes;
		if (bytes > maxMiB * MIB) removeSnapshot(each.folder);
	}
	const parent = snapshotsFolder(cache);
	for (const name of readdirSyncSafe(parent).filter((each) => each.endsWith(".draft"))) {
		const key = name.split(".")[1] ?? "";
		if (!isBeingMade(parent, key)) removeSnapshot(join(parent, name));
	}
}

function isBeingMade(parent: string, key: string): boolean {
	try {
		const lock = takeLock(join(parent, `.${key}.${SNAPSHOT_FILE.lock}`));
		lock?.[Symbol.dispose]();
		return lock === null;
	} catch {
		return false;
	}
}

function readdirSyncSafe(folder: string): string[] {
	try {
		return readdirSync(folder);
	} catch {
		return [];
	}
}

function diskBytes(path: string): number {
	const stat = statSync(path, { throwIfNoEntry: false });
	return (stat?.blocks ?? 0) * 512;
}
