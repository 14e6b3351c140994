/**
 * The host of the nested test (L1): a Debian with the tools of a small server, under the guest's own initramfs and kernel, with the
 * modules that lend devices to a machine inside it. Made once, kept in the build's cache.
 */
import { chmodSync, copyFileSync, cpSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { type Step, step, type Work } from "../../../vm-assets/build/cache.ts";
import { type Context, cacheFolder, debianArch, SOURCE_EPOCH } from "../../../vm-assets/build/context.ts";
import { makeTree, TREE_RECIPE } from "../../../vm-assets/build/debian.ts";
import { INITRAMFS, initramfsStep } from "../../../vm-assets/build/initramfs.ts";
import { KERNEL, kernelStep } from "../../../vm-assets/build/kernel.ts";
import { toolsStep, toolsTree } from "../../../vm-assets/build/tools.ts";
import { inTree } from "../../../vm-assets/build/tree.ts";

export const REPO = join(import.meta.dir, "../../..");
const FILES = "test/vm/vfio/l1";

/** No QEMU among them: the binary under test brings its own. */
const PACKAGES = ["kmod", "pciutils", "busybox-static", "procps", "util-linux", "bsdutils", "bsdextrautils", "sudo"];

/** Somebody who is not root, with and without the right to become it. */
const CONFIGURE = [
	'chroot "$1" useradd --create-home --uid 1000 --shell /bin/sh ghost',
	`printf 'ghost ALL=(ALL) NOPASSWD: ALL\\n' >"$1/etc/sudoers.d/ghost"`,
	'chroot "$1" useradd --create-home --uid 1001 --shell /bin/sh nobody-else',
].join(" && ");

export interface L1Image {
	readonly kernel: string;
	readonly initramfs: string;
	readonly root: string;
	/** Stacked over the root: modules and what starts the commands. */
	readonly layer: string;
}

export function testContext(): Context {
	return {
		repo: REPO,
		arch: "x64",
		fast: true,
		refresh: false,
		made: new Set(),
		cache: cacheFolder(process.env),
	};
}

export async function l1Image(context: Context): Promise<L1Image> {
	const tools = await toolsStep(context);
	const initramfs = await initramfsStep(context, tools, await kernelStep(context, tools));
	const kernel = await kernelStep(context, tools, {
		name: "vfio-l1-kernel",
		title: "kernel and modules of the nested test's host",
		modulesList: `${FILES}/modules.list`,
	});
	const tree = await step(context, {
		name: "vfio-l1-tree",
		title: "packages of the nested test's host",
		recipe: TREE_RECIPE,
		parameters: [PACKAGES, CONFIGURE],
		make: ({ dir, log, detail }) => {
			const options = [`--customize-hook=${CONFIGURE}`];
			const arch = debianArch(context.arch);
			return makeTree({ variant: "minbase", packages: PACKAGES, arch, options }, dir, log, detail);
		},
	});
	const images = await step(context, {
		name: "vfio-l1",
		title: "images of the nested test's host",
		recipe: [FILES, "test/vm/vfio/image.ts"],
		uses: [tools, kernel, tree],
		make: (work) => packImages({ context, tools, kernel, tree }, work),
	});
	return {
		kernel: join(kernel.dir, KERNEL.image),
		initramfs: join(initramfs.dir, INITRAMFS),
		root: join(images.dir, "root.erofs"),
		layer: join(images.dir, "layer.erofs"),
	};
}

interface Parts {
	readonly context: Context;
	readonly tools: Step;
	readonly kernel: Step;
	readonly tree: Step;
}

async function packImages({ context, tools, kernel, tree }: Parts, { dir, log }: Work): Promise<void> {
	const layer = join(dir, "layer");
	const from = join(context.repo, FILES);
	for (const folder of ["etc", "usr/sbin", "usr/lib/vfio-l1"]) mkdirSync(join(layer, folder), { recursive: true });
	cpSync(join(kernel.dir, KERNEL.modules, "lib/modules"), join(layer, "usr/lib/modules"), { recursive: true });
	copyFileSync(join(from, "inittab"), join(layer, "etc/inittab"));
	for (const name of ["setup", "commands"]) {
		copyFileSync(join(from, name), join(layer, "usr/lib/vfio-l1", name));
		chmodSync(join(layer, "usr/lib/vfio-l1", name), 0o755);
	}
	symlinkSync("../bin/busybox", join(layer, "usr/sbin/init"));
	const mounts = [
		{ from: join(tree.dir, "tree"), as: "root" },
		{ from: layer, as: "layer" },
		{ from: dir, as: "out" },
	];
	for (const [name, extra] of [
		["root", "--exclude-regex=^dev/."],
		["layer", "--all-root"],
	] as const) {
		const argv = ["mkfs.erofs", "--quiet", `-T${SOURCE_EPOCH}`, extra, `/mnt/out/${name}.erofs`, `/mnt/${name}`];
		await inTree({ tree: toolsTree(tools), argv, mounts }, { log });
	}
}
