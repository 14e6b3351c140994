/**
 * The VirtualGhost layer: what makes any systemd root file system ours, as a small EROFS image that is stacked over it. So
 * units, agent and modules change without the root image, and a root image of the user's own gets them too.
 */
import { chmodSync, copyFileSync, cpSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { BECOME_PROGRAM, GUEST_PATH } from "../../src/wire/names.ts";
import { type Step, step, type Work } from "./cache.ts";
import type { Context } from "./context.ts";
import { parseList } from "./debian.ts";
import { makeErofs } from "./erofs.ts";
import { KERNEL } from "./kernel.ts";
import { toolsTree } from "./tools.ts";

const OVERLAY = "vm-assets/guest/overlay";
const LINKS = "vm-assets/guest/links.list";
const MASKED = "vm-assets/guest/masked-units.list";
/** Everything in this folder of the layer is a program. */
const PROGRAMS = "usr/lib/virtualghost";

export const GUEST = "guest.erofs";

/** The agent's C library, as the tools tree has it: what Bun's executable asks for, the loader first. */
export const GLIBC_FOLDER = "usr/lib/x86_64-linux-gnu";
export const GLIBC_FILES = ["ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2"];

export interface GuestParts {
	readonly tools: Step;
	readonly kernel: Step;
	readonly become: Step;
}

export function guestStep(context: Context, parts: GuestParts): Promise<Step> {
	return step(context, {
		name: "guest",
		title: "VirtualGhost layer",
		recipe: [OVERLAY, MASKED, LINKS, "vm-assets/build/guest.ts", "vm-assets/build/erofs.ts", "src/wire/names.ts"],
		parameters: { fast: context.fast },
		uses: [parts.tools, parts.kernel, parts.become],
		make: async (work) => {
			fillLayer(context, parts, join(work.dir, "layer"));
			await packLayer(context, parts, work);
		},
	});
}

function fillLayer(context: Context, { tools, kernel, become }: GuestParts, layer: string): void {
	cpSync(join(context.repo, OVERLAY), layer, { recursive: true, verbatimSymlinks: true });
	const modules = join(KERNEL.modules, "lib/modules");
	cpSync(join(kernel.dir, modules), join(layer, "usr/lib/modules"), { recursive: true, verbatimSymlinks: true });

	const folder = join(layer, GUEST_PATH.agent);
	mkdirSync(folder, { recursive: true });
	// The agent's executable is an image of its own (agent-image.ts).
	for (const name of GLIBC_FILES) copyFileSync(join(toolsTree(tools), GLIBC_FOLDER, name), join(folder, name));
	copyFileSync(join(become.dir, BECOME_PROGRAM), join(folder, BECOME_PROGRAM));

	const link = (path: string, target: string) => {
		mkdirSync(dirname(join(layer, path)), { recursive: true });
		symlinkSync(target, join(layer, path));
	};
	for (const unit of parseList(readFileSync(join(context.repo, MASKED), "utf8")))
		link(`etc/systemd/system/${unit}`, "/dev/null");
	for (const line of parseList(readFileSync(join(context.repo, LINKS), "utf8"))) {
		const [path = "", target = ""] = line.split(/\s+->\s+/);
		link(path, target);
	}
	setModes(layer, layer);
}

/** Whatever modes a checkout has: folders and programs 0755, other files 0644. */
function setModes(layer: string, path: string): void {
	for (const entry of readdirSync(path, { withFileTypes: true })) {
		const full = join(path, entry.name);
		if (lstatSync(full).isSymbolicLink()) continue;
		const program = entry.isFile() && full.startsWith(join(layer, PROGRAMS));
		chmodSync(full, entry.isDirectory() || program ? 0o755 : 0o644);
		if (entry.isDirectory()) setModes(layer, full);
	}
	chmodSync(layer, 0o755);
}

async function packLayer(context: Context, { tools }: GuestParts, { dir, log }: Work): Promise<void> {
	const image = join(dir, GUEST);
	const uuid = "76697274-7561-6c67-686f-737400000002";
	const spec = { tools: toolsTree(tools), source: join(dir, "layer"), image, label: "vg-guest", uuid, allRoot: true };
	await makeErofs({ ...spec, fast: context.fast }, log);
}
