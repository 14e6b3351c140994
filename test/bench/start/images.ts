/**
 * What the rows that are not ours boot, made once and kept in the build's cache: the floor (a busybox that powers off) and stock (Debian with
 * its default systemd, the same kiosk and terminal).
 */
import { chmodSync, copyFileSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Step, step, type Work } from "../../../vm-assets/build/cache.ts";
import { type Context, debianArch, SOURCE_EPOCH } from "../../../vm-assets/build/context.ts";
import { makeTree, TREE_RECIPE } from "../../../vm-assets/build/debian.ts";
import { loadOrder } from "../../../vm-assets/build/initramfs.ts";
import { KERNEL, kernelStep, kernelTreeStep, moduleName } from "../../../vm-assets/build/kernel.ts";
import { run } from "../../../vm-assets/build/run.ts";
import { toolsStep, toolsTree } from "../../../vm-assets/build/tools.ts";
import { inTree, namespaces } from "../../../vm-assets/build/tree.ts";

const FILES = "test/bench/start/stock";

/** Debian's default system (what debootstrap installs without being asked for less), then kiosk and terminal. */
const STOCK_PACKAGES = [
	...["systemd-sysv", "systemd-timesyncd", "udev", "kmod", "dbus", "libpam-systemd", "cron", "logrotate"],
	...["ifupdown", "dhcpcd-base", "iproute2", "iputils-ping", "netbase", "procps", "tzdata", "e2fsprogs"],
	...["nano", "vim-tiny", "less", "bash-completion", "dbus-user-session"],
	...[
		"cage",
		"foot",
		"libgl1-mesa-dri",
		"libegl1",
		"libgles2",
		"fontconfig",
		"fonts-dejavu-core",
		"adwaita-icon-theme",
	],
];

/** What the disk needs before there is one, in the order of loading; and the console of systemd-vmspawn. */
const STOCK_MODULES = ["virtio_pci", "virtio_blk", "crc32c_generic", "erofs", "overlay", "virtio_console"];
const APPLETS = ["sh", "insmod", "mkdir", "mount", "poweroff", "sleep", "switch_root"];

export interface StartImages {
	readonly floor: string;
	readonly stockInitramfs: string;
	readonly stockRoot: string;
	/** `uname -r` of the kernel that the modules are for. */
	readonly kernelVersion: string;
}

export async function startImages(context: Context): Promise<StartImages> {
	const tools = await toolsStep(context);
	const kernel = await kernelStep(context, tools);
	const tree = await stockTreeStep(context, tools, await kernelTreeStep(context));
	const images = await step(context, {
		name: "bench-start",
		title: "images to compare a start with",
		recipe: [FILES, "test/bench/start/images.ts"],
		uses: [tools, kernel, tree],
		make: async (work) => {
			await packFloor(context, tools, work);
			await packStockInitramfs(context, tools, kernel, work);
			await packStockRoot(tools, tree, work);
		},
	});
	return {
		floor: join(images.dir, "floor"),
		stockInitramfs: join(images.dir, "stock"),
		stockRoot: join(images.dir, "stock.erofs"),
		kernelVersion: readFileSync(join(kernel.dir, KERNEL.version), "utf8"),
	};
}

/** Debian as it comes, with all modules of the kernel that we boot, where its own package would put them. */
function stockTreeStep(context: Context, tools: Step, kernelTree: Step): Promise<Step> {
	const configure = `${FILES}/configure`;
	return step(context, {
		name: "bench-stock-tree",
		title: "stock Debian with a kiosk, for comparison",
		recipe: [
			...TREE_RECIPE,
			...["configure", "cage@.service", "bench-command"].map((name) => `${FILES}/${name}`),
			"vm-assets/guest/overlay/etc/bash.bashrc",
			"vm-assets/guest/overlay/usr/share/virtualghost/foot.ini",
		],
		parameters: STOCK_PACKAGES,
		uses: [tools, kernelTree],
		make: async ({ dir, log, detail }) => {
			const hook = `--customize-hook=${join(context.repo, configure)} "$1" ${context.repo}`;
			const arch = debianArch(context.arch);
			await makeTree({ variant: "minbase", packages: STOCK_PACKAGES, arch, options: [hook] }, dir, log, detail);
			await addModules(join(dir, "tree"), kernelTree, tools, log);
		},
	});
}

/** All modules of the kernel package, indexed as its installation would. */
export async function addModules(tree: string, kernelTree: Step, tools: Step, log: string): Promise<void> {
	const from = join(kernelTree.dir, "tree/usr/lib/modules");
	await run([...namespaces(), "cp", "-a", from, join(tree, "usr/lib/")], { log });
	const argv = ["sh", "-euc", "depmod -b /mnt/tree/usr $(ls /mnt/tree/usr/lib/modules)"];
	await inTree({ tree: toolsTree(tools), argv, mounts: [{ from: tree, as: "tree" }] }, { log });
}

async function packFloor(context: Context, tools: Step, work: Work): Promise<void> {
	const root = join(work.dir, "floor-root");
	for (const name of ["bin", "dev"]) mkdirSync(join(root, name), { recursive: true });
	copyFileSync(join(toolsTree(tools), "usr/bin/busybox"), join(root, "bin/busybox"));
	copyFileSync(join(context.repo, FILES, "floor"), join(root, "init"));
	chmodSync(join(root, "init"), 0o755);
	await packCpio(tools, work, "floor");
}

async function packStockInitramfs(context: Context, tools: Step, kernel: Step, work: Work): Promise<void> {
	const root = join(work.dir, "stock-root");
	for (const name of ["bin", "dev", "proc", "sys", "modules", "lower", "upper", "system"])
		mkdirSync(join(root, name), { recursive: true });
	copyFileSync(join(toolsTree(tools), "usr/bin/busybox"), join(root, "bin/busybox"));
	for (const applet of APPLETS) symlinkSync("busybox", join(root, "bin", applet));
	copyFileSync(join(context.repo, FILES, "init"), join(root, "init"));
	chmodSync(join(root, "init"), 0o755);
	const version = readFileSync(join(kernel.dir, KERNEL.version), "utf8");
	const modules = join(kernel.dir, KERNEL.modules, "lib/modules", version);
	const order = loadOrder(readFileSync(join(modules, "modules.dep"), "utf8"), STOCK_MODULES);
	for (const path of order) cpSync(join(modules, path), join(root, "modules", `${moduleName(path)}.ko`));
	writeFileSync(join(root, "modules/order"), order.map((path) => `${moduleName(path)}\n`).join(""));
	await packCpio(tools, work, "stock");
}

async function packCpio(tools: Step, { dir, log }: Work, name: string): Promise<void> {
	const script =
		"cd /mnt/out/$1-root && find . -print0 | LC_ALL=C sort -z |" +
		" cpio --null --create --format=newc --owner=+0:+0 --reproducible --quiet | zstd -3 -T1 --quiet -o /mnt/out/$1";
	const argv = ["bash", "-o", "pipefail", "-euc", script, "pack", name];
	await inTree({ tree: toolsTree(tools), argv, mounts: [{ from: dir, as: "out" }] }, { log });
}

async function packStockRoot(tools: Step, tree: Step, { dir, log }: Work): Promise<void> {
	const argv = [
		"mkfs.erofs",
		"--quiet",
		`-T${SOURCE_EPOCH}`,
		"--exclude-regex=^dev/.",
		"/mnt/out/stock.erofs",
		"/mnt/root",
	];
	const mounts = [
		{ from: join(tree.dir, "tree"), as: "root" },
		{ from: dir, as: "out" },
	];
	await inTree({ tree: toolsTree(tools), argv, mounts }, { log });
}
