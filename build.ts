#!/usr/bin/env bun
/** Builds VirtualGhost: agent → assets → dist/virtualghost. Each step is skipped if nothing that goes into it changed. */
import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { EXIT, Fault, reason } from "./src/errors.ts";
import { type Manifest, manifestSchema } from "./src/vm/manifest.ts";
import { assetsFolder, buildAgent, buildAssets } from "./vm-assets/build/assets.ts";
import { buildBinary } from "./vm-assets/build/binary.ts";
import { type Context, cacheFolder, type Distribution } from "./vm-assets/build/context.ts";
import { buildDriverPack, parseVendors } from "./vm-assets/build/driver-pack.ts";
import { VENDOR_NAMES } from "./vm-assets/build/firmware.ts";
import { say } from "./vm-assets/build/progress.ts";
import { hostTarget, PLATFORMS, parseTarget, TARGETS, type Target } from "./vm-assets/build/targets.ts";

const HELP = `Usage: bun build.ts [options]

  --target <platform>  ${TARGETS.join(", ")} (default: this machine)
  --only <part>        agent, assets or binary: stop there, and for binary use the assets in dist/;
                       driver-pack: drivers for a passed-through graphics card, which no other build makes
  --vendors <list>     for driver-pack: ${VENDOR_NAMES.join(",")} (default: all)
  --no-firmware        for driver-pack: free drivers only
  --packages <folder>  Debian packages for the guest (default: vm-assets/packages); one with a ghostty program is the terminal
  --distribution <name> debian (default), or arch: by pacstrap, see vm-assets/README.md
  --root-tree <folder> for arch: a root file system that vm-assets/rootfs/arch/make has made elsewhere
  --fast               quick compression for development: bigger files
  --refresh            make everything anew, with today's packages
  --help

Finished steps are kept in \${VIRTUALGHOST_BUILD_CACHE:-~/.cache/virtualghost-build}.
DEBIAN_MIRROR is the address of the Debian archive to use (default: what apt on this machine uses).
`;

const PARTS = ["agent", "assets", "binary", "driver-pack"];

async function main(): Promise<void> {
	const { values } = parseArgs({
		options: {
			target: { type: "string" },
			only: { type: "string" },
			vendors: { type: "string" },
			"no-firmware": { type: "boolean", default: false },
			packages: { type: "string" },
			distribution: { type: "string", default: "debian" },
			"root-tree": { type: "string" },
			fast: { type: "boolean", default: false },
			refresh: { type: "boolean", default: false },
			help: { type: "boolean", default: false },
		},
	});
	if (values.help) {
		process.stdout.write(HELP);
		return;
	}
	if (values.only !== undefined && !PARTS.includes(values.only)) {
		throw new Fault(`--only ${values.only}: no such part`, { fix: PARTS.join(", "), exitCode: EXIT.usage });
	}
	if (values.only !== "driver-pack" && (values.vendors !== undefined || values["no-firmware"])) {
		throw new Fault("--vendors and --no-firmware belong to --only driver-pack", { exitCode: EXIT.usage });
	}
	const pack = { vendors: parseVendors(values.vendors), firmware: !values["no-firmware"] };
	const target = values.target === undefined ? hostTarget() : parseTarget(values.target);
	const { assets: arch } = PLATFORMS[target];
	const context: Context = {
		repo: import.meta.dir,
		arch: arch ?? "x64",
		fast: values.fast,
		refresh: values.refresh,
		made: new Set(),
		cache: cacheFolder(process.env),
		distribution: parseDistribution(values.distribution),
		...(values.packages === undefined ? {} : { packages: existingFolder("packages", values.packages) }),
		...(values["root-tree"] === undefined ? {} : { rootTree: existingFolder("root-tree", values["root-tree"]) }),
	};
	const started = performance.now();
	if (values.only === "driver-pack") await buildDriverPack(context, pack);
	else await build(context, target, values.only, arch !== null);
	say(`done in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

function parseDistribution(name: string): Distribution {
	if (name === "debian" || name === "arch") return name;
	throw new Fault(`--distribution ${name}: no such recipe`, { fix: "debian, arch", exitCode: EXIT.usage });
}

/** @throws Fault for a folder that is not there: a build without what was asked for would look like one with it. */
function existingFolder(flag: string, path: string): string {
	if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return resolve(path);
	throw new Fault(`--${flag} ${path}: no such folder`, { exitCode: EXIT.usage });
}

async function build(context: Context, target: Target, only: string | undefined, hasAssets: boolean): Promise<void> {
	if (only === "agent") {
		await buildAgent(context);
		return;
	}
	if (!hasAssets) {
		say(`no guest images can be built for ${target} here: the launcher will say that it has none`);
		if (only !== "assets") await buildBinary(context, target, null);
		return;
	}
	const manifest = only === "binary" ? await readManifest(context) : await buildAssets(context);
	if (only !== "assets") await buildBinary(context, target, manifest);
}

async function readManifest(context: Context): Promise<Manifest> {
	const file = Bun.file(join(assetsFolder(context), "manifest.json"));
	if (!(await file.exists()))
		throw new Fault("dist/assets is empty", { fix: "Run `bun build.ts --only assets` first." });
	return manifestSchema.parse(await file.json());
}

/** The one error edge of the build. */
function fail(error: unknown): never {
	if (!(error instanceof Fault)) throw error;
	const { why, fix, tail, log } = error.details;
	say(`build: ${error.message}`);
	if (why !== undefined) say(`  why: ${why}`);
	if (tail !== undefined) say(tail.trimEnd().replaceAll(/^/gm, "  | "));
	if (fix !== undefined) say(`  fix: ${fix}`);
	if (log !== undefined) say(`  log: ${log}`);
	process.exit(error.exitCode);
}

await main().catch((error: unknown) =>
	fail(
		error instanceof TypeError && "code" in error
			? new Fault(reason(error), { fix: "See --help.", exitCode: EXIT.usage })
			: error,
	),
);
