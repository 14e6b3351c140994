/** Names of PCI vendors and devices, for systems that have no `pci.ids` of their own: Debian's list, without what `gpu list` has no use for. */
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Step, step } from "./cache.ts";
import { type Context, debianArch } from "./context.ts";
import { makeTree, TREE_RECIPE } from "./debian.ts";
import { copyDebRecords, KEEP_DEBS } from "./packages.ts";

/** Products of the step. */
export const PCI_IDS = { archive: "pci.ids.zst", packages: "packages.json" } as const;

const ZSTD_LEVEL = 19;

export async function pciIdsStep(context: Context): Promise<Step> {
	const tree = await step(context, {
		name: "pci-ids-tree",
		title: "names of PCI devices: package",
		recipe: [...TREE_RECIPE, "vm-assets/build/packages.ts"],
		parameters: { package: "pci.ids" },
		make: async ({ dir, log, detail }) => {
			const arch = debianArch(context.arch);
			await makeTree({ variant: "extract", packages: ["pci.ids"], arch, options: KEEP_DEBS }, dir, log, detail);
			await copyDebRecords(dir);
		},
	});
	return step(context, {
		name: "pci-ids",
		title: "names of PCI devices",
		recipe: ["vm-assets/build/pci-ids.ts"],
		uses: [tree],
		make: ({ dir }) => {
			const list = readFileSync(join(tree.dir, "tree/usr/share/misc/pci.ids"), "utf8");
			const packed = Bun.zstdCompressSync(stripPciIds(list), { level: ZSTD_LEVEL });
			writeFileSync(join(dir, PCI_IDS.archive), packed);
			copyFileSync(join(tree.dir, PCI_IDS.packages), join(dir, PCI_IDS.packages));
			return Promise.resolve();
		},
	});
}

/** Keeps the head with its copyright, vendors and devices; drops subsystems, classes and remarks. */
export function stripPciIds(text: string): string {
	const lines = text.split("\n");
	const first = lines.findIndex((line) => line !== "" && !line.startsWith("#"));
	const rest = lines.slice(Math.max(0, first));
	const classes = rest.findIndex((line) => line.startsWith("C "));
	const names = rest.slice(0, classes < 0 ? undefined : classes).filter((line) => /^\t?[0-9a-f]{4} {2}/.test(line));
	return [...lines.slice(0, Math.max(0, first)), ...names, ""].join("\n");
}
