/** All guest assets of one architecture: makes what changed and fills `dist/assets/<arch>/`. */
import {
	copyFileSync,
	existsSync,
	linkSync,
	mkdirSync,
	readFileSync,
	renameSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type Manifest, manifestSchema } from "../../src/vm/manifest.ts";
import { agentStep } from "./agent.ts";
import { type Step, step } from "./cache.ts";
import { type Context, requireLinux } from "./context.ts";
import { GUEST, guestStep } from "./guest.ts";
import { INITRAMFS, initramfsStep } from "./initramfs.ts";
import { KERNEL, kernelStep, kernelTreeStep } from "./kernel.ts";
import { type AssetFiles, makeManifest } from "./manifest.ts";
import { muslStep } from "./musl.ts";
import { PCI_IDS, pciIdsStep } from "./pci-ids.ts";
import { QEMU, qemuStep } from "./qemu.ts";
import { distributionTreeStep, rootStep } from "./root.ts";
import { ROOT } from "./root-info.ts";
import { toolsStep } from "./tools.ts";

export function assetsFolder(context: Context): string {
	return join(context.repo, "dist/assets", context.arch);
}

export async function buildAgent(context: Context): Promise<Step> {
	requireLinux(context.arch);
	return agentStep(context, await muslStep(context, await toolsStep(context)));
}

/** Makes the assets; the folder is replaced as a whole. */
export async function buildAssets(context: Context): Promise<Manifest> {
	requireLinux(context.arch);
	const tools = await toolsStep(context);
	const [boot, [rootTree, root], qemu, pciIds] = await allOrFirstFault([
		makeBootParts(context, tools),
		makeRoot(context, tools),
		qemuStep(context, tools),
		pciIdsStep(context),
	]);
	const { kernel, initramfs, guest } = boot;
	const files: AssetFiles = {
		kernel: join(kernel.dir, KERNEL.image),
		initramfs: join(initramfs.dir, INITRAMFS),
		root: join(root.dir, ROOT.image),
		guest: join(guest.dir, GUEST),
		qemu: join(qemu.dir, QEMU.archive),
		pciids: join(pciIds.dir, PCI_IDS.archive),
	};
	const steps = { tools, kernelTree: await kernelTreeStep(context), kernel, rootTree, root, qemu, pciIds };
	const manifest = await step(context, {
		name: "manifest",
		title: "manifest",
		recipe: [
			...["vm-assets/build/manifest.ts", "vm-assets/build/licenses.ts", "src/vm/manifest.ts"],
			...["package.json", "bun.lock"],
		],
		parameters: { bun: Bun.version, commit: commitOf(context.repo), fast: context.fast },
		uses: [kernel, initramfs, root, guest, qemu, pciIds],
		make: async ({ dir }) => {
			const made = await makeManifest(context, files, steps, commitOf(context.repo));
			writeFileSync(join(dir, "manifest.json"), `${JSON.stringify(made, null, "\t")}\n`);
		},
	});
	const manifestFile = join(manifest.dir, "manifest.json");
	publish(assetsFolder(context), [...Object.values(files), manifestFile]);
	return manifestSchema.parse(JSON.parse(readFileSync(manifestFile, "utf8")));
}

async function makeRoot(context: Context, tools: Step): Promise<[Step, Step]> {
	const tree = await distributionTreeStep(context, tools);
	return [tree, await rootStep(context, tools, tree)];
}

async function makeBootParts(context: Context, tools: Step) {
	const musl = await muslStep(context, tools);
	const kernel = await kernelStep(context, tools);
	const initramfs = await initramfsStep(context, tools, kernel);
	const agent = await agentStep(context, musl);
	const guest = await guestStep(context, { tools, kernel, musl, agent });
	return { kernel, initramfs, guest };
}

/** Like Promise.all, but waits for the others to end too, so that no step is left half-made behind an error message. */
async function allOrFirstFault<T extends readonly unknown[]>(work: { [K in keyof T]: Promise<T[K]> }): Promise<T> {
	await Promise.allSettled(work);
	return Promise.all(work) as unknown as Promise<T>;
}

/** Fills a folder beside the old one and swaps them, so that nobody sees a mixture of two builds. */
function publish(folder: string, files: readonly string[]): void {
	const [fresh, old] = [`${folder}.${process.pid}.new`, `${folder}.${process.pid}.old`];
	mkdirSync(fresh, { recursive: true });
	for (const file of files) {
		const target = join(fresh, file.slice(file.lastIndexOf("/") + 1));
		try {
			linkSync(file, target);
		} catch {
			copyFileSync(file, target); // The cache is on another file system.
		}
	}
	if (existsSync(folder)) renameSync(folder, old);
	renameSync(fresh, folder);
	rmSync(old, { recursive: true, force: true });
}

/** Short hash of the commit that is checked out, `+` at its end if files differ from it; null outside a repository. */
export function commitOf(repo: string): string | null {
	const git = (...argv: string[]) => {
		const { success, stdout } = Bun.spawnSync(["git", "-C", repo, ...argv], { stdin: "ignore", stderr: "ignore" });
		return success ? stdout.toString().trim() : null;
	};
	const commit = Bun.which("git") === null ? null : git("rev-parse", "--short=12", "HEAD");
	return commit === null ? null : `${commit}${git("status", "--porcelain", "--untracked-files=no") === "" ? "" : "+"}`;
}
