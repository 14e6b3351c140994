/** The guest's root file system: a Debian release with a Wayland kiosk, as one EROFS image. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../src/errors.ts";
import { type Step, step, type Work } from "./cache.ts";
import { type Context, debianArch } from "./context.ts";
import { makeTree, parseList, TREE_RECIPE } from "./debian.ts";
import { makeErofs } from "./erofs.ts";
import { parseDpkgStatus } from "./packages.ts";
import { say } from "./progress.ts";
import { toolsTree } from "./tools.ts";
import { inTree } from "./tree.ts";

const RECIPE = "vm-assets/rootfs/debian";
/** Package files that the user dropped in. */
const LOCAL_PACKAGES = "vm-assets/packages";

/** What replaces Ghostty, which brings an emoji font. This one is drawn in outlines: a tenth of the coloured one's 11 MB. */
const STAND_IN = ["foot", "fonts-symbola"];

export const ROOT = { image: "root.erofs", info: "info.json" } as const;

export interface RootInfo {
	readonly distribution: { readonly name: string; readonly version: string };
	readonly terminal: { readonly name: string; readonly version: string; readonly standIn: boolean };
	readonly packages: readonly { readonly name: string; readonly version: string }[];
}

export async function rootStep(context: Context, tools: Step): Promise<Step> {
	const debs = localPackages(context.repo);
	const tree = await step(context, {
		name: "root-tree",
		title: "root file system packages",
		recipe: [...TREE_RECIPE, RECIPE, "vm-assets/build/root.ts", ...debs],
		uses: [tools],
		make: (work) => makeRootTree(context, tools, debs, work),
	});
	return step(context, {
		name: "root",
		title: "root file system image",
		recipe: ["vm-assets/build/erofs.ts"],
		parameters: { fast: context.fast },
		uses: [tools, tree],
		make: async ({ dir, log }) => {
			writeFileSync(join(dir, ROOT.info), readFileSync(join(tree.dir, ROOT.info)));
			await makeErofs(
				{
					tools: toolsTree(tools),
					source: join(tree.dir, "tree"),
					image: join(dir, ROOT.image),
					label: "vg-root",
					uuid: "76697274-7561-6c67-686f-737400000001",
					fast: context.fast,
				},
				log,
			);
		},
	});
}

async function makeRootTree(context: Context, tools: Step, debs: readonly string[], work: Work): Promise<void> {
	const { dir, log, detail } = work;
	const ghostty = await providesGhostty(context.repo, tools, debs, log);
	// Debian has no Ghostty. The stand-in is named wherever the image is described.
	const stand = ghostty ? [] : STAND_IN;
	if (!ghostty) say(`  no package in ${LOCAL_PACKAGES}/ has ghostty: the terminal is foot, as a stand-in`);
	const read = (name: string) => parseList(readFileSync(join(context.repo, RECIPE, name), "utf8"));
	const filters = read("excludes.list").map((line) =>
		line.startsWith("+") ? `--dpkgopt=path-include=${line.slice(1)}` : `--dpkgopt=path-exclude=${line}`,
	);
	const spec = {
		variant: "minbase" as const,
		packages: [...read("packages.list"), ...stand, ...debs.map((deb) => join(context.repo, deb))],
		arch: debianArch(context.arch),
		options: [
			...filters,
			...shareFolder(context.repo, debs),
			`--customize-hook=${join(context.repo, RECIPE, "configure")}`,
		],
	};
	await makeTree(spec, dir, log, detail);
	const info = readInfo(join(dir, "tree"), ghostty ? "ghostty" : "foot");
	writeFileSync(join(dir, ROOT.info), JSON.stringify(info, null, "\t"));
}

/** apt runs inside the tree, so the folder of local packages has to be seen from there under the same name. */
function shareFolder(repo: string, debs: readonly string[]): string[] {
	if (debs.length === 0) return [];
	const folder = join(repo, LOCAL_PACKAGES);
	return [
		`--setup-hook=mkdir -p "$1${folder}" && cp ${folder}/*.deb "$1${folder}/"`,
		`--customize-hook=rm -r "$1${folder}" && rmdir -p --ignore-fail-on-non-empty "$1${repo}/vm-assets"`,
	];
}

function localPackages(repo: string): string[] {
	const folder = join(repo, LOCAL_PACKAGES);
	if (!existsSync(folder)) return [];
	const names = readdirSync(folder).filter((name) => name.endsWith(".deb"));
	return names.sort().map((name) => join(LOCAL_PACKAGES, name));
}

async function providesGhostty(repo: string, tools: Step, debs: readonly string[], log: string): Promise<boolean> {
	for (const deb of debs) {
		const name = deb.slice(LOCAL_PACKAGES.length + 1);
		const argv = ["dpkg-deb", "--contents", `/mnt/packages/${name}`];
		const mounts = [{ from: join(repo, LOCAL_PACKAGES), as: "packages" }];
		const listing = new TextDecoder().decode(await inTree({ tree: toolsTree(tools), argv, mounts }, { log }));
		if (/ \.\/usr\/bin\/ghostty$/m.test(listing)) return true;
	}
	return false;
}

function readInfo(tree: string, terminal: string): RootInfo {
	const packages = parseDpkgStatus(readFileSync(join(tree, "var/lib/dpkg/status"), "utf8"));
	const version = packages.find((each) => each.name === terminal)?.version;
	if (version === undefined) throw new Fault(`the root file system has no package ${terminal}`);
	const release = readFileSync(join(tree, "etc/debian_version"), "utf8").trim();
	return {
		distribution: { name: "Debian", version: release },
		terminal: { name: terminal, version, standIn: terminal !== "ghostty" },
		packages,
	};
}
