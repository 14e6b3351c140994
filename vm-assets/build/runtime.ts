/**
 * The Bun executable that a binary is made of, with doors closed that it would leave open to the environment.
 *
 * A compiled program still turns into `bun` when BUN_BE_BUN is set, and still loads code that BUN_OPTIONS or
 * BUN_INSPECT_PRELOAD name; there is no flag against it. So the names are blanked in the executable before the code is
 * put in: a name that begins with a NUL cannot be in an environment. docs/decisions/closed-doors.md
 */
import { chmodSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../src/errors.ts";
import { type Part, readSamples, SHARED_OFFSET_BYTES } from "../../src/vm/part-table.ts";
import { type Step, step } from "./cache.ts";
import type { Context } from "./context.ts";
import { PT_LOAD, readSegments } from "./elf.ts";
import { hashFile } from "./hash.ts";
import { run } from "./run.ts";
import { PLATFORMS, type Platform, type Target } from "./targets.ts";
import { toolsTree } from "./tools.ts";
import { inTree } from "./tree.ts";

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

/** Files of the guest's runtime: the part of Bun that every executable made of it has in common, and what there is to know of it. */
export const GUEST_RUNTIME = { archive: "runtime.zst", info: "runtime.json", executable: "bun" } as const;

/** Blocks of the agent's image are shared in pieces of this size. */
export const SHARED_CHUNK_BYTES = 64 * 1024;

export interface GuestRuntime {
	/** What is shared, as part of any executable that is made of this Bun. */
	readonly part: Part;
	readonly sha256: string;
	readonly sampleSha256: string;
}

/**
 * The Bun that the guest's agent runs on: that of the launcher for Linux, so that there the agent is a few pages and the rest is
 * read out of the launcher (docs/decisions/shared-runtime.md). Other launchers carry it as a file.
 */
export async function guestRuntimeStep(context: Context, tools: Step): Promise<Step> {
	const runtime = await runtimeStep(context, "linux-x64", PLATFORMS["linux-x64"]);
	return step(context, {
		name: "guest-runtime",
		title: "Bun runtime of the agent",
		recipe: ["vm-assets/build/runtime.ts", "src/vm/part-table.ts"],
		parameters: { fast: context.fast },
		uses: [tools, runtime],
		make: async ({ dir, log }) => {
			const bun = readFileSync(runtimePath(runtime));
			const part = sharedPart(bun);
			const shared = bun.subarray(part.offset, part.offset + part.size);
			const file = join(dir, "runtime");
			writeFileSync(file, shared);
			const info: GuestRuntime = {
				part,
				sha256: await hashFile(file),
				sampleSha256: sampleHash(shared),
			};
			writeFileSync(join(dir, GUEST_RUNTIME.info), JSON.stringify(info));
			writeFileSync(`${file}.bytes`, String(part.size));
			const options = context.fast ? ["-3", "-T0"] : ["-15", "-T0"];
			const argv = ["zstd", "--quiet", "--rm", ...options, "/mnt/out/runtime"];
			await inTree({ tree: toolsTree(tools), argv, mounts: [{ from: dir, as: "out" }] }, { log });
			linkSync(runtimePath(runtime), join(dir, GUEST_RUNTIME.executable));
		},
	});
}

export function readGuestRuntime(runtime: Step): GuestRuntime {
	return JSON.parse(readFileSync(join(runtime.dir, GUEST_RUNTIME.info), "utf8")) as GuestRuntime;
}

export function sampleHash(image: Buffer): string {
	const sample = readSamples(image.length, (into, offset) => image.copy(into, 0, offset));
	return new Bun.CryptoHasher("sha256").update(sample).digest("hex");
}

/**
 * `bun build --compile` writes the headers anew and appends from the writable segment on; what lies between, code and constants,
 * stays where it is.
 */
export function sharedPart(executable: Buffer): Part {
	const writable = readSegments(executable).find((segment) => segment.type === PT_LOAD && segment.writable);
	if (writable === undefined) throw new Fault("Bun's executable has no writable segment");
	const end = Math.floor(writable.offset / SHARED_CHUNK_BYTES) * SHARED_CHUNK_BYTES;
	return { offset: SHARED_OFFSET_BYTES, size: end - SHARED_OFFSET_BYTES };
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
