/** The tools tree: compilers and image tools of a known Debian release, so that the host needs nothing but mmdebstrap. */
import { join } from "node:path";
import { type Step, step } from "./cache.ts";
import { type Context, debianArch } from "./context.ts";
import { makeTree, TREE_RECIPE } from "./debian.ts";

const PACKAGES = [
	...["erofs-utils", "zstd", "cpio", "kmod", "xz-utils"],
	// The guest agent's C library and what its libstdc++ is linked out of (musl.ts).
	...["musl", "musl-tools", "gcc", "libstdc++-14-dev"],
	// Goes into the initramfs.
	"busybox-static",
];

export function toolsStep(context: Context): Promise<Step> {
	return step(context, {
		name: "tools",
		title: "build tools",
		recipe: [...TREE_RECIPE, "vm-assets/build/tools.ts"],
		make: async ({ dir, log, detail }) => {
			await makeTree({ variant: "apt", packages: PACKAGES, arch: debianArch(context.arch) }, dir, log, detail);
		},
	});
}

export function toolsTree(tools: Step): string {
	return join(tools.dir, "tree");
}
