/** `manifest.json`: what the assets are and what they were made of (src/vm/manifest.ts). */
import { readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { type AssetName, type Manifest, manifestSchema } from "../../src/vm/manifest.ts";
import { IN_PLACE } from "../../src/vm/own-executable.ts";
import { readSamples } from "../../src/vm/part-table.ts";
import type { Step } from "./cache.ts";
import type { Context } from "./context.ts";
import { hashFile } from "./hash.ts";
import { KERNEL } from "./kernel.ts";
import { npmPackages, takenFrom, withLicenses } from "./licenses.ts";
import type { Package } from "./packages.ts";
import { PCI_IDS } from "./pci-ids.ts";
import { QEMU, type QemuInfo } from "./qemu.ts";
import { ROOT, type RootInfo } from "./root-info.ts";

const DOCS = "usr/share/doc";
/** Of the build tools: initramfs/busybox, the agent's C library, and what its C++ library is linked out of. */
const PARTS = ["busybox-static", "musl", "libstdc++-14-dev"];

export type AssetFiles = Readonly<Record<AssetName, string>>;

export interface DescribedSteps {
	readonly tools: Step;
	readonly kernelTree: Step;
	readonly kernel: Step;
	readonly rootTree: Step;
	readonly root: Step;
	readonly qemu: Step;
	readonly pciIds: Step;
}

export async function makeManifest(
	context: Context,
	files: AssetFiles,
	steps: DescribedSteps,
	commit: string | null,
): Promise<Manifest> {
	const root = readJson(join(steps.root.dir, ROOT.info)) as RootInfo;
	const qemu = readJson(join(steps.qemu.dir, QEMU.info)) as QemuInfo;
	const assets = Object.entries(files).map(async ([name, path]) => ({
		name,
		file: basename(path),
		bytes: statSync(path).size,
		sha256: await hashFile(path),
		...(IN_PLACE.some((image) => image === name) ? { sampleSha256: sampleHash(readFileSync(path)) } : {}),
	}));
	return manifestSchema.parse({
		schema: 1,
		arch: context.arch,
		builder: { virtualghost: packageJson.version, bun: Bun.version, commit, fast: context.fast },
		distribution: root.distribution,
		kernel: await describeKernel(steps.kernel),
		terminal: root.terminal,
		qemu: { version: qemu.version, glibc: qemu.glibc, libstdcxx: qemu.libstdcxx },
		assets: await Promise.all(assets),
		packages: {
			root: withLicenses(root.packages, join(steps.rootTree.dir, "tree", DOCS)),
			kernel: withLicenses(
				readJson(join(steps.kernel.dir, KERNEL.packages)) as Package[],
				join(steps.kernelTree.dir, "tree", DOCS),
			),
			qemu: withLicenses(qemu.packages, join(steps.qemu.dir, "bundle/licenses")),
			pciids: (readJson(join(steps.pciIds.dir, PCI_IDS.packages)) as Package[]).map((each) => ({
				...each,
				licenses: ["GPL-2+ or BSD-3-clause"],
			})),
			npm: npmPackages(context.repo),
			parts: takenFrom(join(steps.tools.dir, "tree"), PARTS),
		},
	});
}

/** What a driver pack has to match (driver-pack.ts). */
export async function describeKernel(kernel: Step): Promise<Manifest["kernel"]> {
	const version = readFileSync(join(kernel.dir, KERNEL.version), "utf8");
	return { version, modules: await hashFile(join(kernel.dir, KERNEL.modules, "lib/modules", version, "modules.dep")) };
}

function sampleHash(image: Buffer): string {
	const sample = readSamples(image.length, (into, offset) => image.copy(into, 0, offset));
	return new Bun.CryptoHasher("sha256").update(sample).digest("hex");
}

function readJson(path: string): unknown {
	return JSON.parse(readFileSync(path, "utf8"));
}
