/** Compares what is inside the executable, and what was extracted from it, with the manifest. Nothing is changed. */
import { existsSync, lstatSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Fault, reason } from "../errors.ts";
import { assetPath, type Embedded, sha256Of, sha256OfBlob, temporaryName } from "./assets.ts";
import { unpackBundle } from "./bundle.ts";
import type { AssetName, Manifest } from "./manifest.ts";

export interface Finding {
	readonly name: AssetName;
	readonly where: "executable" | "cache";
	/** `absent`: not extracted yet, which is no fault. */
	readonly verdict: "ok" | "damaged" | "absent";
	/** What differs; null where nothing does. */
	readonly why: string | null;
}

type Asset = Manifest["assets"][number];

/** Names of files of a bundle that are told before the rest is only counted. */
const NAMED_MAX = 5;

/** All of them, one after the other. @throws Fault where this build has nothing to compare. */
export async function* verifyAssets(embedded: Embedded, cache: string): AsyncGenerator<Finding> {
	const { manifest } = embedded;
	if (!manifest) throw new Fault("This build carries no files, and so nothing to verify");
	for (const asset of manifest.assets) {
		const inside = await judge(asset.name, "executable", () => checkInside(embedded, asset));
		yield inside;
		const path = assetPath(cache, manifest, asset.name);
		if (!existsSync(path)) yield { name: asset.name, where: "cache", verdict: "absent", why: null };
		// With nothing sound to compare it with, nothing can be said of it.
		else if (inside.verdict === "ok") {
			yield await judge(asset.name, "cache", () => checkExtracted(embedded, asset, path));
		}
	}
}

async function judge(name: AssetName, where: Finding["where"], check: () => Promise<string | null>): Promise<Finding> {
	try {
		const why = await check();
		return { name, where, verdict: why === null ? "ok" : "damaged", why };
	} catch (error) {
		return { name, where, verdict: "damaged", why: reason(error) };
	}
}

function embeddedFile({ files }: Embedded, { name }: Asset): Blob {
	const path = files[name];
	if (path === undefined) throw new Fault("it is missing");
	return Bun.file(path);
}

async function checkInside(embedded: Embedded, asset: Asset): Promise<string | null> {
	return (await sha256OfBlob(embeddedFile(embedded, asset))) === asset.sha256
		? null
		: "its SHA-256 differs from the manifest's";
}

async function checkExtracted(embedded: Embedded, asset: Asset, path: string): Promise<string | null> {
	if (asset.name === "qemu") return await checkBundle(embedded, asset, path);
	return (await sha256Of(path)) === asset.sha256 ? null : `${path} is not what was extracted`;
}

/** The bundle is a folder: it is unpacked once more beside the first, and the two are compared. */
async function checkBundle(embedded: Embedded, asset: Asset, path: string): Promise<string | null> {
	const folder = temporaryName(path);
	try {
		await unpackBundle(embeddedFile(embedded, asset), folder);
		const [is, due] = await Promise.all([describeTree(path), describeTree(folder)]);
		const names = new Set([...is.keys(), ...due.keys()]);
		const differ = [...names].filter((name) => is.get(name) !== due.get(name)).sort();
		if (differ.length === 0) return null;
		const rest = differ.length > NAMED_MAX ? `, and ${differ.length - NAMED_MAX} more` : "";
		return `${path}: these files are not what was extracted: ${differ.slice(0, NAMED_MAX).join(", ")}${rest}`;
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

/** What matters of each entry, by its path. */
async function describeTree(root: string): Promise<Map<string, string>> {
	const entries = new Map<string, string>();
	for (const name of readdirSync(root, { recursive: true, encoding: "utf8" })) {
		const path = join(root, name);
		const stat = lstatSync(path);
		const kind = stat.isSymbolicLink() ? `-> ${readlinkSync(path)}` : stat.isDirectory() ? "folder" : "file";
		entries.set(name, kind === "file" ? `${stat.mode & 0o111} ${await sha256Of(path)}` : kind);
	}
	return entries;
}
