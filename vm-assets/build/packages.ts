/** Which packages a tree was made of. */
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inTree, removeTree } from "./tree.ts";

export interface Package {
	readonly name: string;
	readonly version: string;
}

/** An unpacked tree has no dpkg database; the names of the downloaded files say the same. Options for mmdebstrap. */
export const KEEP_DEBS = ["--skip=cleanup/apt/cache"];

const ARCHIVES = "var/cache/apt/archives";

/** Writes `<dir>/packages.json` from the package files kept in `<dir>/tree`, then removes those. */
export async function copyDebRecords(dir: string): Promise<void> {
	const archives = join(dir, "tree", ARCHIVES);
	const files = readdirSync(archives).filter((name) => name.endsWith(".deb"));
	writeFileSync(join(dir, "packages.json"), JSON.stringify(files.map(parseDebName).sort(byName), null, "\t"));
	for (const file of files) await removeTree(join(archives, file));
}

/** `seabios_1%3a2.0-1_all.deb` → name and version. apt writes an epoch's colon as %3a. */
export function parseDebName(file: string): Package {
	const [name = "", version = ""] = file.split("_");
	return { name, version: decodeURIComponent(version) };
}

/** Reads /var/lib/dpkg/status. */
export function parseDpkgStatus(text: string): Package[] {
	const packages: Package[] = [];
	for (const paragraph of text.split("\n\n")) {
		const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(paragraph)?.[1];
		const [name, version] = [field("Package"), field("Version")];
		if (name === undefined || version === undefined || !field("Status")?.endsWith(" installed")) continue;
		packages.push({ name, version });
	}
	return packages.sort(byName);
}

function byName(a: Package, b: Package): number {
	return a.name < b.name ? -1 : 1;
}

/** Writes `<dir>/files.txt`: `package ./path` for every file of the kept package files. */
export async function listDebFiles(dir: string, tools: string, log: string): Promise<void> {
	const list =
		'cd /mnt/archives && for deb in *.deb; do dpkg-deb --fsys-tarfile "$deb" | tar t | sed "s|^|$(echo "$deb" | cut -d_ -f1) |"; done';
	const mounts = [{ from: join(dir, "tree", ARCHIVES), as: "archives" }];
	writeFileSync(join(dir, "files.txt"), await inTree({ tree: tools, argv: ["sh", "-euc", list], mounts }, { log }));
}
