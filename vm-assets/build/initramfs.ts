/** The initramfs: busybox, one script and the modules that the root file system needs before it is there. */
import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Step, step, type Work } from "./cache.ts";
import type { Context } from "./context.ts";
import { SOURCE_EPOCH } from "./context.ts";
import { moduleName } from "./kernel.ts";
import { toolsTree } from "./tools.ts";
import { inTree } from "./tree.ts";

const INIT = "vm-assets/initramfs/init";

/**
 * In the order of loading; what they depend on is added. EROFS asks for crc32c by what it does, not by a module's name, so
 * depmod does not know. vsock is here so that the agent can listen at once, pvpanic so that a panic is told from the first moment on.
 */
const MODULES = ["virtio_blk", "crc32c_generic", "erofs", "overlay", "vmw_vsock_virtio_transport", "pvpanic_pci"];

/** Loaded from the system's own folder where the machine has a screen (`init`). */
const SCREEN_MODULES = ["virtio_gpu", "virtio_input", "evdev"];
/** `insmod` does not read the kernel's command line, which says the same (src/plan/devices/boot.ts). */
const PARAMETERS: Readonly<Record<string, string>> = { drm_kms_helper: " fbdev_emulation=0" };

/** Loaded only in a machine with a network card (`init`). */
const CARD_MODULES = ["virtio_net"];

/** The busybox programs that `init` calls. */
const APPLETS = [
	"sh",
	"cat",
	"chmod",
	"chown",
	"chroot",
	"insmod",
	"ip",
	"mkdir",
	"mount",
	"mknod",
	"poweroff",
	"rm",
	"sleep",
	"setsid",
	"tar",
];

export const INITRAMFS = "initramfs";

export function initramfsStep(context: Context, tools: Step, kernel: Step): Promise<Step> {
	return step(context, {
		name: "initramfs",
		title: "initramfs",
		recipe: [INIT, "vm-assets/build/initramfs.ts"],
		parameters: { fast: context.fast },
		uses: [tools, kernel],
		make: (work) => makeInitramfs(context, tools, kernel, work),
	});
}

async function makeInitramfs(context: Context, tools: Step, kernel: Step, { dir, log }: Work): Promise<void> {
	const version = readFileSync(join(kernel.dir, "version"), "utf8");
	const modules = join(kernel.dir, "modules/lib/modules", version);
	const root = join(dir, "root");
	for (const name of [
		"bin",
		"dev",
		"proc",
		"sys",
		"modules",
		"lower/root",
		"lower/guest",
		"lower/drivers",
		"upper",
		"system",
	]) {
		mkdirSync(join(root, name), { recursive: true });
	}
	copyFileSync(join(toolsTree(tools), "usr/bin/busybox"), join(root, "bin/busybox"));
	for (const applet of APPLETS) symlinkSync("busybox", join(root, "bin", applet));
	copyFileSync(join(context.repo, INIT), join(root, "init"));
	chmodSync(join(root, "init"), 0o755);
	const dep = readFileSync(join(modules, "modules.dep"), "utf8");
	const order = loadOrder(dep, MODULES);
	const later = loadOrder(dep, CARD_MODULES).filter((path) => !order.includes(path));
	for (const path of [...order, ...later])
		copyFileSync(join(modules, path), join(root, "modules", `${moduleName(path)}.ko`));
	for (const [name, paths] of Object.entries({ order, cards: later }))
		writeFileSync(join(root, "modules", name), paths.map((path) => `${moduleName(path)}\n`).join(""));
	const onScreen = loadOrder(dep, SCREEN_MODULES).filter((path) => !order.includes(path));
	const screen = onScreen.map((path) => `${path}${PARAMETERS[moduleName(path)] ?? ""}\n`);
	writeFileSync(join(root, "modules/screen"), screen.join(""));
	// Sorted names, one time and one owner: equal content gives equal bytes.
	const pack =
		'cd /mnt/out/root && find . -exec touch -h -d "@$1" {} + && find . -print0 | LC_ALL=C sort -z |' +
		' cpio --null --create --format=newc --owner=+0:+0 --reproducible --quiet | zstd "$2" -T1 --quiet -o /mnt/out/initramfs';
	const level = context.fast ? "-3" : "-19";
	const argv = ["bash", "-o", "pipefail", "-euc", pack, "pack", String(SOURCE_EPOCH), level];
	await inTree({ tree: toolsTree(tools), argv, mounts: [{ from: dir, as: "out" }] }, { log });
}

/** Module files, each after what it depends on. */
export function loadOrder(dep: string, names: readonly string[]): string[] {
	const lines = new Map<string, string[]>();
	for (const line of dep.split("\n")) {
		const [path, needs] = line.split(":");
		// depmod lists dependencies nearest first: the last one has to be loaded first.
		if (path && needs !== undefined)
			lines.set(moduleName(path), [...needs.trim().split(/\s+/).filter(Boolean).reverse(), path]);
	}
	return [...new Set(names.flatMap((name) => lines.get(name) ?? []))];
}
