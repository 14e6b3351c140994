/**
 * Brings the embedded files to the cache folder, where QEMU and the kernel loader can open them.
 *
 * Each file lies under a name that holds its hash: two versions share what they have in common, and nothing is ever
 * changed in place. A file gets its final name only when it is whole, verified and on disk, so a kill at any point leaves
 * either nothing or everything (and a temporary file that the next start removes).
 */
import { createHash, randomBytes } from "node:crypto";
import {
	closeSync,
	createReadStream,
	existsSync,
	fsyncSync,
	mkdirSync,
	openSync,
	readdirSync,
	renameSync,
	rmSync,
	statSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { Fault, reason } from "../errors.ts";
import { identify, type ProcessId } from "../host/processes.ts";
import { unpackBundle } from "./bundle.ts";
import type { AssetName, Manifest } from "./manifest.ts";

/** What `build.ts` embeds: Bun's paths of the files. */
export interface Embedded {
	readonly manifest: Manifest | null;
	readonly files: Readonly<Partial<Record<AssetName, string>>>;
}

/** Called while an asset is being extracted; `done` and `total` in bytes. */
export type ExtractProgress = (name: AssetName, done: number, total: number) => void;

const PROGRESS_INTERVAL_MS = 100;

export function assetsFolder(cache: string): string {
	return join(cache, "assets");
}

/** Where an asset lies once it is extracted. */
export function assetPath(cache: string, manifest: Manifest, name: AssetName): string {
	const entry = manifest.assets.find((asset) => asset.name === name);
	if (!entry)
		throw new Fault(`This build carries no "${name}"`, { fix: "use a complete build, or give --kernel and --rootfs" });
	return join(assetsFolder(cache), `${name}-${entry.sha256.slice(0, 16)}`);
}

/**
 * Makes sure that `names` are in the cache and returns their paths.
 *
 * @throws Fault on a full disk, an unwritable cache, or a file that does not match its hash.
 */
export async function ensureAssets(
	embedded: Embedded,
	cache: string,
	names: readonly AssetName[],
	progress: ExtractProgress,
	signal: AbortSignal,
): Promise<Map<AssetName, string>> {
	const { manifest } = embedded;
	if (!manifest) {
		throw new Fault("This build carries no kernel and no system", { fix: "use a complete build for this platform" });
	}
	const folder = assetsFolder(cache);
	try {
		mkdirSync(folder, { recursive: true, mode: 0o700 });
		sweepTemporaries(folder);
	} catch (error) {
		throw new Fault(`The cache folder ${folder} cannot be used`, {
			why: reason(error),
			fix: "check whom it and its parent belong to, or set XDG_CACHE_HOME to a folder that you can write to",
			cause: error,
		});
	}
	const paths = new Map<AssetName, string>();
	for (const name of names) {
		const path = assetPath(cache, manifest, name);
		if (!isComplete(path, manifest, name)) await extract(embedded, manifest, name, path, progress, signal);
		paths.set(name, path);
	}
	return paths;
}

/** Names appear only by rename of something whole; the size check finds what somebody else did to the file since. */
function isComplete(path: string, manifest: Manifest, name: AssetName): boolean {
	const stat = statSync(path, { throwIfNoEntry: false });
	if (!stat) return false;
	if (name === "qemu") return stat.isDirectory();
	const entry = manifest.assets.find((asset) => asset.name === name);
	if (stat.size === entry?.bytes) return true;
	rmSync(path, { force: true });
	return false;
}

async function extract(
	embedded: Embedded,
	manifest: Manifest,
	name: AssetName,
	path: string,
	progress: ExtractProgress,
	signal: AbortSignal,
) {
	const entry = manifest.assets.find((asset) => asset.name === name);
	const source = embedded.files[name];
	if (!source || !entry) throw new Fault(`This build carries no "${name}"`, { fix: "use a complete build" });
	const total = entry.bytes;
	const tell = (done: number) => progress(name, Math.min(done, total - 1), total);
	try {
		if (name === "qemu") await unpackInto(Bun.file(source), entry, path, tell, signal);
		else await copyInto(Bun.file(source), entry, path, tell, signal);
		progress(name, total, total);
	} catch (error) {
		throw signal.aborted ? signal.reason : extractionFault(name, dirname(path), error);
	}
}

type Asset = Manifest["assets"][number];

/** @throws Fault if the embedded file is not what the manifest says */
function judge({ name, sha256 }: Asset, found: string): void {
	if (found === sha256) return;
	throw new Fault(`The embedded "${name}" is damaged`, {
		why: "its SHA-256 differs from the manifest's",
		fix: "download or build virtualghost again",
	});
}

async function copyInto(source: Blob, asset: Asset, path: string, tell: (done: number) => void, signal: AbortSignal) {
	const temporary = temporaryName(path);
	const timer = setInterval(
		() => tell(statSync(temporary, { throwIfNoEntry: false })?.size ?? 0),
		PROGRESS_INTERVAL_MS,
	);
	try {
		await Bun.write(temporary, source);
		signal.throwIfAborted();
		judge(asset, await sha256Of(temporary));
		moveIntoPlace(temporary, path);
	} finally {
		clearInterval(timer);
		rmSync(temporary, { force: true });
	}
}

async function unpackInto(source: Blob, asset: Asset, path: string, tell: (done: number) => void, signal: AbortSignal) {
	const folder = temporaryName(path);
	try {
		judge(asset, await sha256OfBlob(source));
		await unpackBundle(source, folder, (done) => {
			signal.throwIfAborted();
			tell(done);
		});
		syncTree(folder);
		renameSync(folder, path);
	} catch (error) {
		// Another first run was quicker: its folder is as good as ours.
		if (existsSync(path)) return;
		throw error;
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

function syncTree(folder: string): void {
	for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
		if (entry.isFile()) syncFile(join(entry.parentPath, entry.name));
	}
}

function syncFile(path: string): void {
	const fd = openSync(path, "r");
	try {
		fsyncSync(fd);
	} finally {
		closeSync(fd);
	}
}

function extractionFault(name: string, folder: string, error: unknown): Fault {
	if (error instanceof Fault) return error;
	const code = (error as NodeJS.ErrnoException).code;
	if (code === "ENOSPC" || code === "EDQUOT") {
		return new Fault("The disk is full", {
			why: `"${name}" could not be written to ${folder}`,
			fix: "free some space (110 MB are needed on Linux, elsewhere up to 300), or set XDG_CACHE_HOME to another disk",
			cause: error,
		});
	}
	return new Fault(`"${name}" could not be extracted to ${folder}`, {
		why: reason(error),
		fix: "check the folder's permissions",
		cause: error,
	});
}

/** Of an embedded file, too, which has no path that the system knows. */
export async function sha256OfBlob(source: Blob): Promise<string> {
	const hash = createHash("sha256");
	for await (const chunk of source.stream() as unknown as AsyncIterable<Uint8Array>) hash.update(chunk);
	return hash.digest("hex");
}

export async function sha256Of(path: string): Promise<string> {
	const hash = createHash("sha256");
	for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Buffer);
	return hash.digest("hex");
}

/** Only what is safely on the disk gets its name. */
function moveIntoPlace(temporary: string, path: string): void {
	syncFile(temporary);
	renameSync(temporary, path);
}

/** `.<name>.<pid>-<start time>.<random>.tmp`: tells the sweep whose it is. */
export function temporaryName(path: string): string {
	const me = identify(process.pid) ?? { pid: process.pid, startTime: null };
	return join(dirname(path), `.${basename(path)}.${ownerTag(me)}.${randomBytes(4).toString("hex")}.tmp`);
}

function ownerTag(id: ProcessId): string {
	return `${id.pid}-${id.startTime?.replaceAll(/[^0-9A-Za-z]/g, "_") ?? ""}`;
}

/** Removes what killed runs left half-written. A living run's temporaries stay. */
function sweepTemporaries(folder: string): void {
	for (const name of readdirSync(folder)) {
		const match = /^\..*\.(\d+)-(\w*)\.[0-9a-f]{8}\.tmp$/.exec(name);
		if (!match) continue;
		const now = identify(Number(match[1]));
		if (now === null || ownerTag(now) !== `${match[1]}-${match[2]}`) {
			rmSync(join(folder, name), { recursive: true, force: true });
		}
	}
}
