/** The guest's root file system from Arch packages: the same finishing steps, layer and session as Debian's (vm-assets/rootfs/arch). */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../src/errors.ts";
import { type Step, step, type Work } from "./cache.ts";
import { type Context, debianArch } from "./context.ts";
import { makeTree, TREE_RECIPE } from "./debian.ts";
import { ROOT, type RootInfo } from "./root-info.ts";
import { run } from "./run.ts";
import { inTree, isRoot } from "./tree.ts";

/** pacman's descriptions of what is installed. */
const INSTALLED = "var/lib/pacman/local";
const RECIPE = ["vm-assets/rootfs/arch", "vm-assets/rootfs/configure"] as const;
/** pacman and pacstrap, which Debian has too; makepkg brings `repo-add`. */
const PACKAGES = [
	"pacman-package-manager",
	// Which pacstrap calls and does not depend on.
	"mount",
	"arch-install-scripts",
	"makepkg",
	"archlinux-keyring",
	"zstd",
	"libarchive-tools",
];

export function archToolsStep(context: Context): Promise<Step> {
	return step(context, {
		name: "arch-tools",
		title: "Arch's package manager",
		recipe: [...TREE_RECIPE, "vm-assets/build/root-arch.ts"],
		make: async ({ dir, log, detail }) => {
			await makeTree({ variant: "apt", packages: PACKAGES, arch: debianArch(context.arch) }, dir, log, detail);
		},
	});
}

/** Where Arch packages come from. */
export interface ArchSource {
	/** As `ARCH_MIRROR`, `ARCH_REPOS` and `ARCH_SIGLEVEL` of vm-assets/rootfs/arch/make. */
	readonly env: Readonly<Record<string, string>>;
	/** Folder that the recipe sees as /mnt/repository; for a repository of one's own. */
	readonly folder?: string;
	/** Changes with the content of a repository of one's own. */
	readonly key?: string;
}

export function archSource(env: Readonly<Record<string, string | undefined>>): ArchSource {
	const names = ["ARCH_MIRROR", "ARCH_REPOS", "ARCH_SIGLEVEL"];
	return { env: Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : []))) };
}

/** The unpacked packages, in `tree`, with the description that goes into the manifest. @throws Fault */
export async function archTreeStep(context: Context, source: ArchSource): Promise<Step> {
	if (!isRoot) {
		throw new Fault("the Arch image can only be built by root", {
			why: "pacstrap mounts file systems in the new tree.",
			fix: "Run it with sudo, or in a container: see Containerfile.",
		});
	}
	if (source.env.ARCH_MIRROR === undefined && !existsSync("/etc/pacman.d/mirrorlist")) {
		throw new Fault("no Arch mirror is known", {
			why: "this machine has no /etc/pacman.d/mirrorlist.",
			fix: "Give one: ARCH_MIRROR='<address>/$repo/os/$arch' bun build.ts --distribution arch",
		});
	}
	const tools = await archToolsStep(context);
	return step(context, {
		name: "arch-root-tree",
		title: "root file system packages (Arch)",
		recipe: [...RECIPE, "vm-assets/build/root-arch.ts", "vm-assets/build/root-info.ts"],
		parameters: { env: source.env, key: source.key ?? null },
		uses: [tools],
		make: (work) => makeArchTree(context, tools, source, work),
	});
}

async function makeArchTree(context: Context, tools: Step, source: ArchSource, { dir, log }: Work): Promise<void> {
	mkdirSync(join(dir, "tree"));
	const mirrors = existsSync("/etc/pacman.d") ? [{ from: "/etc/pacman.d", as: "pacman.d" }] : [];
	const useMirrors = "[ -d /mnt/pacman.d ] && mkdir -p /etc/pacman.d && mount --bind /mnt/pacman.d /etc/pacman.d;";
	await inTree(
		{
			tree: join(tools.dir, "tree"),
			// pacstrap mounts sysfs for the new system's hooks.
			argv: ["sh", "-euc", `${useMirrors} exec /mnt/rootfs/arch/make /mnt/out/tree`],
			mounts: [
				{ from: dir, as: "out" },
				{ from: join(context.repo, "vm-assets/rootfs"), as: "rootfs" },
				...(source.folder === undefined ? [] : [{ from: source.folder, as: "repository" }]),
				...mirrors,
			],
			env: source.env,
		},
		{ log },
	);
	writeFileSync(join(dir, ROOT.info), JSON.stringify(readArchInfo(join(dir, "tree")), null, "\t"));
}

/** A tree that the recipe has made elsewhere. */
export function copiedTreeStep(context: Context, from: string): Promise<Step> {
	return step(context, {
		name: "arch-root-tree",
		title: "root file system packages (Arch, made elsewhere)",
		recipe: ["vm-assets/build/root-arch.ts", "vm-assets/build/root-info.ts"],
		// pacman's folder of what is installed changes with every package.
		parameters: { from, at: statSync(join(from, INSTALLED), { throwIfNoEntry: false })?.mtimeMs ?? null },
		make: async ({ dir, log }) => {
			const info = readArchInfo(from);
			await run(["cp", "-a", from, join(dir, "tree")], { log });
			writeFileSync(join(dir, ROOT.info), JSON.stringify(info, null, "\t"));
		},
	});
}

function readArchInfo(tree: string): RootInfo {
	const local = join(tree, INSTALLED);
	if (!existsSync(local)) throw new Fault(`${tree} is no tree of Arch packages`, { why: `it has no ${INSTALLED}` });
	const described = readdirSync(local)
		.filter((name) => existsSync(join(local, name, "desc")))
		.map((name) => parsePacmanDesc(readFileSync(join(local, name, "desc"), "utf8")))
		.sort((a, b) => (a.name < b.name ? -1 : 1));
	const terminal = described.find(({ name }) => name === "ghostty");
	if (terminal === undefined) throw new Fault("the Arch root file system has no package ghostty");
	return {
		// It has no releases.
		distribution: { name: "Arch Linux", version: "rolling" },
		terminal: { name: "ghostty", version: terminal.version, standIn: false },
		packages: described,
	};
}

/** Name and version in pacman's description of an installed package: `%NAME%`, then the value on a line of its own. */
export function parsePacmanDesc(text: string): { name: string; version: string } {
	const value = (field: string) => new RegExp(`^%${field}%\\n(.+)$`, "m").exec(text)?.[1] ?? "";
	return { name: value("NAME"), version: value("VERSION") };
}
