/**
 * The QEMU bundle: QEMU with all it needs except the host's graphics driver, taken out of unpacked Debian packages. Nothing
 * of the build machine gets in. vm-assets/README.md describes the folders.
 */
import {
	copyFileSync,
	cpSync,
	existsSync,
	mkdirSync,
	readFileSync,
	realpathSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { Fault } from "../../src/errors.ts";
import { type Step, step, type Work } from "./cache.ts";
import { type Context, debianArch, SOURCE_EPOCH } from "./context.ts";
import { makeTree, parseList, TREE_RECIPE } from "./debian.ts";
import { copyDebRecords, KEEP_DEBS, listDebFiles, type Package } from "./packages.ts";
import { findLibraries, type Library } from "./qemu-libraries.ts";
import { makeStub } from "./stub-library.ts";
import { toolsTree } from "./tools.ts";
import { inTree } from "./tree.ts";

const RECIPE = "vm-assets/qemu";
const MULTIARCH = "usr/lib/x86_64-linux-gnu";

export const QEMU = { archive: "qemu.tar.zst", info: "info.json" } as const;

export interface QemuInfo {
	readonly version: string;
	readonly glibc: string;
	readonly libstdcxx: string;
	readonly packages: readonly Package[];
}

const contents = z.object({
	programs: z.array(z.string()),
	modules: z.array(z.string()),
	/** Under usr/share of the tree; folders are taken whole. */
	firmware: z.array(z.string()),
	/** Libraries that QEMU or its windows are linked with and never call: vm-assets/README.md, "The QEMU bundle". */
	stubs: z.array(z.string()),
});

export async function qemuStep(context: Context, tools: Step): Promise<Step> {
	const list = `${RECIPE}/packages.list`;
	const tree = await step(context, {
		name: "qemu-tree",
		title: "QEMU packages",
		recipe: [...TREE_RECIPE, list, "vm-assets/build/packages.ts"],
		uses: [tools],
		make: async ({ dir, log, detail }) => {
			const packages = parseList(readFileSync(join(context.repo, list), "utf8"));
			const extraSuites = ["backports", "forky"] as const;
			const spec = {
				variant: "extract" as const,
				packages,
				arch: debianArch(context.arch),
				extraSuites,
				options: KEEP_DEBS,
			};
			await makeTree(spec, dir, log, detail);
			await listDebFiles(dir, toolsTree(tools), log);
			await copyDebRecords(dir);
		},
	});
	return step(context, {
		name: "qemu",
		title: "QEMU bundle",
		recipe: [
			...[RECIPE, "vm-assets/build/qemu.ts", "vm-assets/build/qemu-libraries.ts", "vm-assets/build/elf.ts"],
			"vm-assets/build/stub-library.ts",
		],
		parameters: { fast: context.fast },
		uses: [tools, tree],
		make: (work) => makeBundle(context, tools, tree, work),
	});
}

async function makeBundle(context: Context, tools: Step, tree: Step, work: Work): Promise<void> {
	const from = join(tree.dir, "tree");
	const bundle = join(work.dir, "bundle");
	const { sources, users, stubs } = collect(context, from, bundle);
	for (const { name, path, folder } of stubs) {
		const spec = {
			tools: toolsTree(tools),
			tree: from,
			library: path,
			users,
			soname: name,
			work: join(work.dir, "stub"),
		};
		await makeStub(spec, work.log);
		copyFileSync(join(spec.work, name), join(bundle, folder, name));
		rmSync(spec.work, { recursive: true });
	}
	await compileWindowLibrary(context, tools, work);
	copyFileSync(join(context.repo, RECIPE, "launch.json"), join(bundle, "launch.json"));
	const packages = usedPackages(tree.dir, sources);
	copyLicences(from, join(toolsTree(tools), "usr/share/common-licenses"), packages, join(bundle, "licenses"));
	await pack(context, tools, work);
	const version = (name: string) => {
		const found = packages.find((each) => each.name === name);
		if (found === undefined) throw new Fault(`the QEMU bundle has nothing of the package ${name}`);
		return found.version;
	};
	const info: QemuInfo = {
		version: upstream(version("qemu-system-x86")),
		glibc: upstream(version("libc6")),
		libstdcxx: upstream(version("libstdc++6")),
		packages,
	};
	writeFileSync(join(work.dir, QEMU.info), JSON.stringify(info, null, "\t"));
}

interface Collected {
	/** Paths in the tree of all that was copied. */
	readonly sources: readonly string[];
	/** Programs and libraries that stay as they are, and libraries to be replaced, as paths relative to the tree. */
	readonly users: readonly string[];
	readonly stubs: readonly Library[];
}

/** Copies the chosen files into `bundle`. */
function collect(context: Context, tree: string, bundle: string): Collected {
	const chosen = contents.parse(JSON.parse(readFileSync(join(context.repo, RECIPE, "bundle.json"), "utf8")));
	const sources: string[] = [];
	const copy = (source: string, target: string, mode: number) => {
		const real = realpathSync(source);
		if (!real.startsWith(tree)) throw new Fault(`${source} leads out of the package tree`, { why: real });
		mkdirSync(dirname(join(bundle, target)), { recursive: true });
		cpSync(real, join(bundle, target), { recursive: true, dereference: true, mode });
		sources.push(statSync(real).isDirectory() ? `${real}/` : real); // As tar lists them.
	};
	for (const program of chosen.programs) copy(join(tree, "usr", program), `bin/${basename(program)}`, 0);
	for (const module of chosen.modules) copy(join(tree, MULTIARCH, "qemu", module), `modules/${module}`, 0);
	for (const file of chosen.firmware) copy(join(tree, "usr/share", file), `share/${basename(file)}`, 0);
	const folders = [join(tree, MULTIARCH), join(tree, MULTIARCH, "pulseaudio"), join(tree, "usr/lib64")];
	const roots = [
		...chosen.programs.map((path) => join(tree, "usr", path)),
		...chosen.modules.map((name) => join(tree, MULTIARCH, "qemu", name)),
	];
	const libraries = findLibraries(folders, roots, chosen.stubs);
	for (const library of libraries) copy(library.path, `${library.folder}/${library.name}`, 0);
	const users = [...roots, ...libraries.filter(({ name }) => !chosen.stubs.includes(name)).map(({ path }) => path)];
	const relative = (path: string) => realpathSync(path).slice(tree.length + 1);
	const stubs = chosen.stubs.map((name) => {
		const library = libraries.find((each) => each.name === name);
		if (library === undefined) throw new Fault(`the QEMU bundle has no ${name} to be replaced by a stub`);
		return { ...library, path: relative(library.path) };
	});
	return { sources: sources.map((path) => path.slice(tree.length)), users: users.map(relative), stubs };
}

/** The library that makes QEMU's window ours (vm-assets/qemu/window; src/host/qemu.ts puts it in front of the others). */
async function compileWindowLibrary(context: Context, tools: Step, { dir, log }: Work): Promise<void> {
	const script = [
		"gcc -std=gnu17 -Wall -Wextra -Werror -O2 -fPIC -fvisibility=hidden -shared -s",
		"-Wl,-z,relro,-z,now -Wl,--build-id=none -o /mnt/lib/virtualghost-window.so /mnt/recipe/*.c",
	];
	const argv = ["sh", "-euc", script.join(" ")];
	const mounts = [
		{ from: join(dir, "bundle/lib"), as: "lib" },
		{ from: join(context.repo, RECIPE, "window"), as: "recipe" },
	];
	await inTree({ tree: toolsTree(tools), argv, mounts }, { log });
}

/** Packages that at least one file of the bundle comes from. */
function usedPackages(treeDir: string, sources: readonly string[]): Package[] {
	const all = z.array(z.object({ name: z.string(), version: z.string() }));
	const packages = all.parse(JSON.parse(readFileSync(join(treeDir, "packages.json"), "utf8")));
	const owners = new Map<string, string>();
	for (const line of readFileSync(join(treeDir, "files.txt"), "utf8").split("\n")) {
		const space = line.indexOf(" ");
		// Merged /usr: packages may still say /lib.
		owners.set(
			line
				.slice(space + 1)
				.replace(/^\.\/(?=(lib|lib64|bin|sbin)\/)/, "./usr/")
				.slice(1),
			line.slice(0, space),
		);
	}
	const used = new Set<string>();
	for (const source of sources) {
		const owner = owners.get(source);
		if (owner === undefined) throw new Fault(`no package owns ${source}, which is in the QEMU bundle`);
		used.add(owner);
	}
	return packages.filter((each) => used.has(each.name));
}

function copyLicences(tree: string, common: string, packages: readonly Package[], target: string): void {
	for (const { name } of packages) {
		const copyright = join(tree, "usr/share/doc", name, "copyright");
		if (!existsSync(copyright)) throw new Fault(`the package ${name} has no copyright file`);
		mkdirSync(join(target, name), { recursive: true });
		copyFileSync(realpathSync(copyright), join(target, name, "copyright"));
	}
	// Copyright files refer to these by name.
	cpSync(common, join(target, "common-licenses"), { recursive: true, dereference: true });
}

/** Plain files and folders only, in a fixed order: the launcher's tar reader knows nothing else. */
async function pack(context: Context, tools: Step, { dir, log }: Work): Promise<void> {
	const script =
		"cd /mnt/out/bundle && chmod -R u=rwX,go=rX . && chmod 0755 bin/* glibc/ld-linux-* &&" +
		' tar --create --format=ustar --sort=name --mtime="@$1" --owner=0 --group=0 --numeric-owner --hard-dereference . |' +
		" zstd --quiet $2 -o /mnt/out/qemu.tar.zst";
	// With a larger window (`--ultra -22 --long=27`) it is 0.4 MB smaller, and whoever unpacks it takes 70 MB of memory more.
	const level = context.fast ? "-3 -T2" : "-19 -T1";
	const argv = ["bash", "-o", "pipefail", "-euc", script, "pack", String(SOURCE_EPOCH), level];
	await inTree({ tree: toolsTree(tools), argv, mounts: [{ from: dir, as: "out" }] }, { log });
}

/** `1:11.1.3+ds-1~bpo13+1` → `11.1.3`. */
export function upstream(version: string): string {
	return version.replace(/^\d+:/, "").replace(/[-+~].*$/, "");
}
