/** The guest's root file system: a Debian release with a Wayland kiosk, as one EROFS image. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Fault } from "../../src/errors.ts";
import { type Step, step, type Work } from "./cache.ts";
import { type Context, debianArch } from "./context.ts";
import { makeTree, parseList, TREE_RECIPE } from "./debian.ts";
import { makeErofs } from "./erofs.ts";
import { hashPaths } from "./hash.ts";
import { parseDpkgStatus } from "./packages.ts";
import { say } from "./progress.ts";
import { archSource, archTreeStep, copiedTreeStep } from "./root-arch.ts";
import { ROOT, type RootInfo } from "./root-info.ts";
import { toolsTree } from "./tools.ts";
import { inTree, removeTree } from "./tree.ts";
import { replaceZ3, Z3_RECIPE } from "./z3.ts";

const RECIPE = "vm-assets/rootfs/debian";
/** Finishing steps that all distributions share. */
const CONFIGURE = "vm-assets/rootfs/configure";
/** Package files that the user dropped in. */
const LOCAL_PACKAGES = "vm-assets/packages";

/** What replaces Ghostty, which brings an emoji font. This one is drawn in outlines: a tenth of the coloured one's 11 MB. */
const STAND_IN = ["foot", "fonts-symbola"];

/** The unpacked packages, in `tree`, with the description that goes into the manifest. */
export function rootTreeStep(context: Context, tools: Step): Promise<Step> {
	const folder = context.packages ?? join(context.repo, LOCAL_PACKAGES);
	const debs = localPackages(folder);
	return step(context, {
		// Beside the usual one, which it must not push out of the cache.
		name: context.packages === undefined ? "root-tree" : "local-root-tree",
		title: "root file system packages",
		recipe: [...TREE_RECIPE, RECIPE, CONFIGURE, "vm-assets/build/root.ts", ...Z3_RECIPE],
		...(debs.length === 0 ? {} : { parameters: { debs: hashPaths(folder, debs) } }),
		uses: [tools],
		make: (work) => makeRootTree(context, tools, { folder, debs }, work),
	});
}

/** The tree that the image is made of: Debian's, Arch's, or one that the user has. */
export async function distributionTreeStep(context: Context, tools: Step): Promise<Step> {
	if (context.rootTree !== undefined) return await copiedTreeStep(context, context.rootTree);
	if (context.distribution === "arch") return await archTreeStep(context, archSource(process.env));
	return await rootTreeStep(context, tools);
}

export function rootStep(context: Context, tools: Step, tree: Step): Promise<Step> {
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

/** Package files of the user's. */
interface LocalPackages {
	readonly folder: string;
	/** Names of the files. */
	readonly debs: readonly string[];
}

async function makeRootTree(context: Context, tools: Step, local: LocalPackages, work: Work): Promise<void> {
	const { dir, log, detail } = work;
	const ghostty = await providesGhostty(tools, local, log);
	// Debian has no Ghostty. The stand-in is named wherever the image is described.
	const stand = ghostty ? [] : STAND_IN;
	if (!ghostty) say(`  no package in ${LOCAL_PACKAGES}/ has ghostty: the terminal is foot, as a stand-in`);
	const read = (name: string) => parseList(readFileSync(join(context.repo, RECIPE, name), "utf8"));
	const filters = read("excludes.list").map((line) =>
		line.startsWith("+") ? `--dpkgopt=path-include=${line.slice(1)}` : `--dpkgopt=path-exclude=${line}`,
	);
	const spec = {
		variant: "minbase" as const,
		packages: [...read("packages.list"), ...stand, ...local.debs.map((deb) => join(local.folder, deb))],
		arch: debianArch(context.arch),
		options: [...filters, ...shareFolder(local), `--customize-hook=${join(context.repo, CONFIGURE)}`],
	};
	await makeTree(spec, dir, log, detail);
	const stub = join(dir, "stub");
	await replaceZ3(toolsTree(tools), join(dir, "tree"), stub, log);
	await removeTree(stub);
	const info = readInfo(join(dir, "tree"), ghostty ? "ghostty" : "foot");
	writeFileSync(join(dir, ROOT.info), JSON.stringify(info, null, "\t"));
}

/** apt runs inside the tree, so the folder of local packages has to be seen from there under the same name. */
function shareFolder({ folder, debs }: LocalPackages): string[] {
	if (debs.length === 0) return [];
	const inShell = (path: string) => path.replaceAll(/["$`\\]/g, "\\$&");
	const made = foldersTo(folder).map((path) => `"$1${inShell(path)}"`);
	return [
		`--setup-hook=mkdir -p "$1${inShell(folder)}" && cp "${inShell(folder)}"/*.deb "$1${inShell(folder)}/"`,
		`--customize-hook=rm -r "$1${inShell(folder)}"; rmdir --ignore-fail-on-non-empty ${made.join(" ")} || true`,
	];
}

/** Folders that a system has, empty or not. */
const STANDARD =
	/^\/(bin|home|media|mnt|opt|root|run|srv|tmp|usr|usr\/(src|local|local\/src)|var|var\/(cache|lib|tmp))$/;

/** The folders above `folder`, the deepest first, without those that belong to the system. */
export function foldersTo(folder: string): string[] {
	const parents: string[] = [];
	for (let path = dirname(folder); path !== "/"; path = dirname(path)) parents.push(path);
	return parents.filter((path) => !STANDARD.test(path));
}

function localPackages(folder: string): string[] {
	if (!existsSync(folder)) return [];
	return readdirSync(folder)
		.filter((name) => name.endsWith(".deb"))
		.sort();
}

async function providesGhostty(tools: Step, { folder, debs }: LocalPackages, log: string): Promise<boolean> {
	for (const name of debs) {
		const argv = ["dpkg-deb", "--contents", `/mnt/packages/${name}`];
		const mounts = [{ from: folder, as: "packages" }];
		const listing = new TextDecoder().decode(await inTree({ tree: toolsTree(tools), argv, mounts }, { log }));
		if (/ \.\/usr\/bin\/ghostty$/m.test(listing)) return true;
	}
	return false;
}

/** The package that a file comes from, by dpkg's lists. */
function ownerOf(tree: string, path: string): string | undefined {
	const info = join(tree, "var/lib/dpkg/info");
	const lists = readdirSync(info).filter((name) => name.endsWith(".list"));
	const list = lists.find((name) => readFileSync(join(info, name), "utf8").split("\n").includes(path));
	return list?.replace(/(:[a-z0-9]+)?\.list$/, "");
}

function readInfo(tree: string, terminal: string): RootInfo {
	const packages = parseDpkgStatus(readFileSync(join(tree, "var/lib/dpkg/status"), "utf8"));
	// Whatever the package is called that brings the program.
	const owner = ownerOf(tree, `/usr/bin/${terminal}`);
	const version = packages.find((each) => each.name === owner)?.version;
	if (version === undefined) throw new Fault(`no package of the root file system has /usr/bin/${terminal}`);
	const release = readFileSync(join(tree, "etc/debian_version"), "utf8").trim();
	return {
		distribution: { name: "Debian", version: release },
		terminal: { name: terminal, version, standIn: terminal !== "ghostty" },
		packages,
	};
}
