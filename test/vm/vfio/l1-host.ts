/** What L1 sees under /host: the binary under test, with its assets extracted already. Nested, that would take minutes. */
import { linkSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { embeddedQemu, type FoundQemu } from "../../../src/host/qemu.ts";
import { assetPath, assetsFolder, type Embedded, ensureAssets } from "../../../src/vm/assets.ts";
import { type AssetName, manifestSchema } from "../../../src/vm/manifest.ts";
import { BINARY, tool } from "../harness.ts";
import { REPO } from "./image.ts";

/** The images stay in the binary. */
const NAMES: readonly AssetName[] = ["kernel", "initramfs", "qemu"];

/** Environment of every command in L1, as shell. `$VG` is the binary. */
export const HOST_ENV = "export VG=/host/virtualghost XDG_CACHE_HOME=/host/cache XDG_RUNTIME_DIR=/run/user/$(id -u)\n";

/** Fills `dist/vfio-host`. QEMU for L1 itself is the same bundle. */
export async function prepareHost(): Promise<{ host: string; qemu: FoundQemu }> {
	const host = join(REPO, "dist/vfio-host");
	const assets = join(REPO, "dist/assets/x64");
	const cache = join(host, "cache/virtualghost");
	mkdirSync(cache, { recursive: true });
	rmSync(join(host, "virtualghost"), { force: true });
	linkSync(BINARY, join(host, "virtualghost"));
	const manifest = manifestSchema.parse(await Bun.file(join(assets, "manifest.json")).json());
	const files = Object.fromEntries(manifest.assets.map((asset) => [asset.name, join(assets, asset.file)]));
	const embedded: Embedded = { manifest, files };
	const kept = new Set(NAMES.map((name) => assetPath(cache, manifest, name)));
	const folder = assetsFolder(cache);
	const paths = await ensureAssets(embedded, cache, NAMES, () => {}, new AbortController().signal);
	for (const name of readdirSync(folder)) {
		if (!kept.has(join(folder, name))) rmSync(join(folder, name), { recursive: true, force: true });
	}
	// They were extracted for one user; in L1 there are several.
	await tool(["chmod", "-R", "a+rX", host]);
	if (!manifest.qemu) throw new Error("dist/assets is without QEMU");
	return { host, qemu: embeddedQemu(paths.get("qemu") ?? "", manifest.qemu) };
}
