/**
 * The Bun executable that a binary is made of, with doors closed that it would leave open to the environment.
 *
 * A compiled program still turns into `bun` when BUN_BE_BUN is set, and still loads code that BUN_OPTIONS or
 * BUN_INSPECT_PRELOAD name; there is no flag against it. So the names are blanked in the executable before the code is
 * put in: a name that begins with a NUL cannot be in an environment. docs/decisions/closed-doors.md
 */
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../src/errors.ts";
import { type Step, step } from "./cache.ts";
import type { Context } from "./context.ts";
import { run } from "./run.ts";
import type { Platform, Target } from "./targets.ts";

const DOORS = ["BUN_BE_BUN", "BUN_OPTIONS", "BUN_INSPECT_PRELOAD"] as const;

const EXECUTABLE = "bun";

export function runtimeStep(context: Context, target: Target, platform: Platform): Promise<Step> {
	return step(context, {
		name: `runtime-${target}`,
		title: `Bun runtime for ${target}`,
		recipe: ["vm-assets/build/runtime.ts"],
		parameters: { bun: Bun.version, platform: platform.bun },
		make: async ({ dir, log }) => {
			const work = join(dir, "work");
			const downloads = join(work, "downloads");
			mkdirSync(downloads, { recursive: true });
			await Bun.write(join(work, "empty.ts"), "");
			// Bun gets the executable of another target from npm and keeps it in its install cache.
			const argv = [process.execPath, "build", "--compile", `--target=${platform.bun}`, "--outfile=empty", "empty.ts"];
			await run(argv, { log, cwd: work, env: { BUN_INSTALL_CACHE_DIR: downloads } });
			const [name] = readdirSync(downloads).filter((file) => file.startsWith("bun-"));
			if (name === undefined) throw new Fault(`Bun's executable for ${target} was not downloaded`, { log });
			writeFileSync(join(dir, EXECUTABLE), closeDoors(readFileSync(join(downloads, name))));
			chmodSync(join(dir, EXECUTABLE), 0o755);
			rmSync(work, { recursive: true });
		},
	});
}

export function runtimePath(runtime: Step): string {
	return join(runtime.dir, EXECUTABLE);
}

/** Blanks each name everywhere. @throws Fault if one is not there: then Bun has changed, and the door must be found again. */
export function closeDoors(executable: Buffer): Buffer {
	for (const name of DOORS) {
		let at = executable.indexOf(name);
		if (at < 0)
			throw new Fault(`Bun ${Bun.version} does not hold the name ${name}`, {
				fix: "see docs/decisions/closed-doors.md",
			});
		for (; at >= 0; at = executable.indexOf(name, at)) executable.fill(0, at, at + name.length);
	}
	return executable;
}
