/** The guest's kernel: Debian's own, as it is, and the modules that modules.list names with all they depend on. */
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Fault } from "../../src/errors.ts";
import { type Step, step, type Work } from "./cache.ts";
import { type Context, debianArch } from "./context.ts";
import { makeTree, parseList, TREE_RECIPE } from "./debian.ts";
import { copyDebRecords, KEEP_DEBS } from "./packages.ts";
import { toolsTree } from "./tools.ts";
import { inTree, removeTree } from "./tree.ts";

const MODULES_LIST = "vm-assets/kernel/modules.list";

/** Products of the kernel step, relative to its folder. */
export const KERNEL = {
	image: "kernel",
	/** `lib/modules/<version>` with decompressed modules and depmod's indexes. */
	modules: "modules",
	version: "version",
	packages: "packages.json",
} as const;

/** A kernel step and the list of modules that it takes. */
export interface KernelChoice {
	readonly name: string;
	readonly title: string;
	/** Path in the repository. */
	readonly modulesList: string;
}

const GUEST_KERNEL: KernelChoice = { name: "kernel", title: "kernel and modules", modulesList: MODULES_LIST };

/** Debian's kernel package, unpacked. */
export function kernelTreeStep(context: Context): Promise<Step> {
	return step(context, {
		name: "kernel-tree",
		title: "kernel package",
		recipe: [...TREE_RECIPE, "vm-assets/build/packages.ts"],
		parameters: { package: "linux-image" },
		make: async ({ dir, log, detail }) => {
			const arch = debianArch(context.arch);
			const options = KEEP_DEBS;
			await makeTree({ variant: "extract", packages: [`linux-image-${arch}`], arch, options }, dir, log, detail);
			await copyDebRecords(dir);
		},
	});
}

export async function kernelStep(context: Context, tools: Step, choice = GUEST_KERNEL): Promise<Step> {
	const tree = await kernelTreeStep(context);
	return step(context, {
		name: choice.name,
		title: choice.title,
		recipe: [choice.modulesList, "vm-assets/build/kernel.ts"],
		uses: [tools, tree],
		make: (work) => extractKernel({ context, tools, tree, list: choice.modulesList }, work),
	});
}

interface Extraction {
	readonly context: Context;
	readonly tools: Step;
	readonly tree: Step;
	readonly list: string;
}

async function extractKernel({ context, tools, tree, list }: Extraction, { dir, log }: Work): Promise<void> {
	const from = join(tree.dir, "tree");
	const version = kernelVersion(from);
	copyFileSync(join(from, "boot", `vmlinuz-${version}`), join(dir, KERNEL.image));
	copyFileSync(join(tree.dir, "packages.json"), join(dir, KERNEL.packages));
	writeFileSync(join(dir, KERNEL.version), version);
	const modules = join("lib/modules", version);
	const source = join(from, "usr", modules);
	const wanted = parseList(readFileSync(join(context.repo, list), "utf8"));
	const chosen = await findModules(wanted, { kernelTree: tree, tools, dir, log });
	if (chosen.missing.length > 0) {
		throw new Fault(`kernel ${version} has no module ${chosen.missing.join(", ")}`, {
			fix: `Correct ${list}.`,
		});
	}
	const target = join(dir, KERNEL.modules, modules);
	for (const path of chosen.paths) {
		mkdirSync(dirname(join(target, path)), { recursive: true });
		cpSync(join(source, path), join(target, path));
	}
	for (const name of ["modules.builtin", "modules.builtin.modinfo", "modules.order"])
		cpSync(join(source, name), join(target, name));
	await unpackModules(join(dir, KERNEL.modules), version, tools, log);
}

/** Decompresses the modules of `<root>/lib/modules/<version>` and indexes them: EROFS compresses better than xz. */
export async function unpackModules(root: string, version: string, tools: Step, log: string): Promise<void> {
	const unpack = 'find . -name "*.ko.xz" -print0 | xargs -0 -r xz -d && depmod -b /mnt/root "$1"';
	const argv = ["sh", "-euc", `cd /mnt/root && ${unpack}`, "unpack", version];
	await inTree({ tree: toolsTree(tools), argv, mounts: [{ from: root, as: "root" }] }, { log });
}

/** Looks `wanted` up among all modules of the kernel package. `dir`: a folder to work in. */
export async function findModules(
	wanted: readonly string[],
	{ kernelTree, tools, dir, log }: { kernelTree: Step; tools: Step; dir: string; log: string },
): Promise<Resolved> {
	const from = join(kernelTree.dir, "tree/usr");
	const version = kernelVersion(join(kernelTree.dir, "tree"));
	const index = join(dir, "index");
	mkdirSync(index);
	// depmod reads compressed modules, but puts its index beside them: not into the cached tree.
	const argv = ["depmod", "-b", "/mnt/kernel", "-o", "/mnt/index", version];
	const mounts = [
		{ from, as: "kernel" },
		{ from: index, as: "index" },
	];
	await inTree({ tree: toolsTree(tools), argv, mounts }, { log });
	const read = (root: string, name: string) => readFileSync(join(root, "lib/modules", version, name), "utf8");
	const found = resolveModules(
		wanted,
		read(index, "modules.dep"),
		read(index, "modules.softdep"),
		read(from, "modules.builtin"),
	);
	await removeTree(index);
	return found;
}

export function kernelVersion(tree: string): string {
	const versions = existsSync(join(tree, "usr/lib/modules")) ? readdirSync(join(tree, "usr/lib/modules")) : [];
	const [version, second] = versions;
	if (version === undefined || second !== undefined) {
		throw new Fault(`the kernel package holds ${versions.length} kernels, one was expected`, {
			why: versions.join(" "),
		});
	}
	return version;
}

export interface Resolved {
	/** Module files by path under lib/modules/<version>, each after what it depends on. */
	readonly paths: readonly string[];
	/** Names that are neither a module nor built in. */
	readonly missing: readonly string[];
}

/** Finds the files of modules and of all they depend on, soft dependencies included where they exist. */
export function resolveModules(wanted: readonly string[], dep: string, softdep: string, builtin: string): Resolved {
	const modules = parseDep(dep);
	const soft = parseSoftdep(softdep);
	const builtins = new Set(parseList(builtin).map(moduleName));
	const paths = new Set<string>();
	const visiting = new Set<string>();
	const missing: string[] = [];
	const add = (name: string, required: boolean) => {
		const found = modules.get(name);
		if (found === undefined) {
			if (required && !builtins.has(name)) missing.push(name);
			return;
		}
		if (visiting.has(name)) return;
		visiting.add(name);
		for (const other of soft.get(name) ?? []) add(other, false);
		for (const other of found.needs) add(moduleName(other), true);
		paths.add(found.path);
	};
	for (const name of wanted) add(name.replaceAll("-", "_"), true);
	return { paths: [...paths], missing };
}

/** `kernel/fs/erofs/erofs.ko.xz` → `erofs`. */
export function moduleName(path: string): string {
	const base = path.slice(path.lastIndexOf("/") + 1);
	return base.replace(/\.ko(\.\w+)?$/, "").replaceAll("-", "_");
}

function parseDep(text: string): Map<string, { path: string; needs: string[] }> {
	const result = new Map<string, { path: string; needs: string[] }>();
	for (const line of text.split("\n")) {
		const [path, needs] = line.split(":");
		if (path === undefined || needs === undefined) continue;
		result.set(moduleName(path), { path, needs: needs.trim().split(/\s+/).filter(Boolean) });
	}
	return result;
}

function parseSoftdep(text: string): Map<string, string[]> {
	const result = new Map<string, string[]>();
	for (const line of text.split("\n")) {
		const [keyword, name, ...others] = line.split(/\s+/);
		if (keyword !== "softdep" || name === undefined) continue;
		const names = others.filter((word) => word !== "" && !word.endsWith(":")).map((word) => word.replaceAll("-", "_"));
		result.set(name.replaceAll("-", "_"), [...(result.get(name) ?? []), ...names]);
	}
	return result;
}
