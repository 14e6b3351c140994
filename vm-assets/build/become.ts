/** The static program that the agent starts others with (docs/decisions/become.md), linked with musl: it needs no library. */
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { BECOME_PROGRAM } from "../../src/wire/names.ts";
import { type Step, step } from "./cache.ts";
import type { Context } from "./context.ts";
import { toolsTree } from "./tools.ts";
import { inTree } from "./tree.ts";

const SOURCE = "vm-assets/guest/become.c";

export function becomeStep(context: Context, tools: Step): Promise<Step> {
	return step(context, {
		name: "become",
		title: "starter of the agent's programs",
		recipe: [SOURCE, "vm-assets/build/become.ts"],
		uses: [tools],
		make: async ({ dir, log }) => {
			copyFileSync(join(context.repo, SOURCE), join(dir, "become.c"));
			const flags = [
				"-static",
				"-O2",
				"-Wall",
				"-Wextra",
				"-Werror",
				"-Wl,-z,relro,-z,now",
				"-Wl,--build-id=none",
				"-s",
			];
			const argv = ["musl-gcc", ...flags, "-o", `/mnt/out/${BECOME_PROGRAM}`, "/mnt/out/become.c"];
			await inTree({ tree: toolsTree(tools), argv, mounts: [{ from: dir, as: "out" }] }, { log });
		},
	});
}
