/**
 * The VirtualGhost layer: what makes any systemd root file system ours, as a small EROFS image that is stacked over it. So
 * units, agent and modules change without the root image, and a root image of the user's own gets them too.
 */
import {
	chmodSync,
	copyFileSync,
	cpSync,
	lstatSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { GUEST_PATH } from "../../src/wire/names.ts";
import { AGENT } from "./agent.ts";
import { type Step, step, type Work } from "./cache.ts";
import type { Context } from "./context.ts";
import { parseList } from "./debian.ts";
import { makeErofs } from "./erofs.ts";
import { KERNEL } from "./kernel.ts";
import { MUSL } from "./musl.ts";
import { toolsTree } from "./tools.ts";

const OVERLAY = "vm-assets/guest/overlay";
const LINKS = "vm-assets/guest/links.list";
const MASKED = "vm-assets/guest/masked-units.list";
/** Everything in this folder of the layer is a program. */
const PROGRAMS = "usr/lib/virtualghost";

export const GUEST = "guest.erofs";

export interface GuestParts {
	readonly tools: Step;
	readonly kernel: Step;
	readonly musl: Step;
	readonly agent: Step;
}

export function guestStep(context: Context, parts: GuestParts): Promise<Step> {
	return step(context, {
		name: "guest",
		title: "VirtualGhost layer",
		recipe: [OVERLAY, MASKED, LINKS, "vm-assets/build/guest.ts", "vm-assets/build/erofs.ts", "src/wire/names.ts"],
		parameters: { fast: context.fast },
		uses: [parts.tools, parts.kernel, parts.musl, parts.agent],
		make: async (work) => {
			fillLayer(context, parts, join(work.dir, "layer"));
			await packLayer(context, parts, work);
		},
	});
}

function fillLayer(context: Context, { kernel, musl, agent }: GuestParts, layer: string): void {
	cpSync(join(context.repo, OVERLAY), layer, { recursive: true, verbatimSymlinks: true });
	const modules = join(KERNEL.modules, "lib/modules");
	cpSync(join(kernel.dir, modules), join(layer, "usr/lib/modules"), { recursive: true, verbatimSymlinks: true });

	const version = readFileSync(join(kernel.dir, KERNEL.version), "utf8");
	const names = readFileSync(join(kernel.dir, modules, version, "modules.devname"), "utf8");
	mkdirSync(join(layer, "usr/lib/tmpfiles.d"), { recursive: true });
	writeFileSync(join(layer, "usr/lib/tmpfiles.d/virtualghost-nodes.conf"), staticNodes(names));

	const folder = join(layer, GUEST_PATH.agent);
	mkdirSync(folder, { recursive: true });
	copyFileSync(join(agent.dir, AGENT), join(folder, AGENT));
	for (const name of [MUSL.loader, MUSL.libstdcxx, MUSL.become]) copyFileSync(join(musl.dir, name), join(folder, name));
	// The agent names its loader /lib/ld-musl-x86_64.so.1; /lib is a link to /usr/lib and must not become a folder here.
	symlinkSync(join(GUEST_PATH.agent, MUSL.loader), join(layer, "usr/lib", MUSL.loader));
	// Where musl's loader looks for libraries.
	writeFileSync(join(layer, "etc", MUSL.loader.replace(/\.so\.1$/, ".path")), `${GUEST_PATH.agent}\n`);

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

/**
 * tmpfiles.d(5) lines for the device nodes whose opening loads a module, as `kmod static-nodes` writes them in each boot of other systems.
 * `names`: depmod's modules.devname, "module node c10:200" a line.
 */
export function staticNodes(names: string): string {
	const lines: string[] = [];
	for (const line of parseList(names)) {
		const [, , node = "", type = "", device = ""] = /^(\S+) (\S+) ([bc])(\d+:\d+)$/.exec(line) ?? [];
		if (node === "") throw new Error(`modules.devname: ${line}`);
		if (node.includes("/")) lines.push(`d /dev/${dirname(node)} 0755 - - -`);
		lines.push(`${type}! /dev/${node} 0600 - - - ${device}`);
	}
	return `${lines.join("\n")}\n`;
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
