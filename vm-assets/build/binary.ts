/** The launcher: one executable with the assets inside, for any target, from npm's copies of Bun. */
import {
	appendFileSync,
	existsSync,
	mkdirSync,
	readFileSync,
	renameSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { helpTexts } from "../../src/cli/help-texts.ts";
import { Fault } from "../../src/errors.ts";
import type { Manifest } from "../../src/vm/manifest.ts";
import { IN_PLACE } from "../../src/vm/own-executable.ts";
import { encodeTable, type Part } from "../../src/vm/part-table.ts";
import { BUNDLE_FLAGS, bundleHash } from "./agent.ts";
import { assetsFolder, commitOf } from "./assets.ts";
import type { Context } from "./context.ts";
import { hashPaths, hashValue } from "./hash.ts";
import { say, task } from "./progress.ts";
import { run } from "./run.ts";
import { runtimePath, runtimeStep } from "./runtime.ts";
import { hostTarget, PLATFORMS, type Target } from "./targets.ts";

const MAIN = "src/main.ts";

const COMPILE_FLAGS = [
	// Splitting keeps the launcher's code out of the way of the quick answers.
	...["--compile", "--minify", "--splitting", "--format=esm"],
	// A launcher must not take settings from whatever folder it is started in.
	...["--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"],
	// QEMU and the helpers die with the launcher, kill -9 included.
	"--compile-exec-argv=--no-orphans",
] as const;

/** Makes `dist/virtualghost` (`dist/virtualghost-<target>` for another platform than this) and returns its path. */
export async function buildBinary(context: Context, target: Target, manifest: Manifest | null): Promise<string> {
	const platform = PLATFORMS[target];
	const name = `virtualghost${target === hostTarget() ? "" : `-${target}`}${platform.suffix}`;
	const output = join(context.repo, "dist", name);
	const entry = join(context.repo, "dist/gen", `entry-${target}.ts`);
	const embedded = manifest === null ? null : withoutQemu(manifest, platform.qemu);
	const source = embedded === null ? launcherWithoutAssets() : launcherWithAssets(embedded);
	const texts = JSON.stringify(await helpTexts());
	const runtime = await runtimeStep(context, target, platform);
	const commit = commitOf(context.repo);
	const key = hashValue([
		source,
		texts,
		runtime.key,
		embedded,
		commit,
		Bun.version,
		await bundleHash(join(context.repo, MAIN)),
		hashPaths(context.repo, ["vm-assets/build/binary.ts", "vm-assets/build/targets.ts", "src/vm/part-table.ts"]),
	]);
	const keyFile = join(context.repo, "dist/gen", `${name}.key`);
	if (existsSync(output) && existsSync(keyFile) && readFileSync(keyFile, "utf8") === key) {
		say(`· ${name}: unchanged`);
		return output;
	}
	mkdirSync(join(context.repo, "dist/gen"), { recursive: true });
	writeFileSync(join(context.repo, "dist/gen", `launcher-${target}.ts`), source);
	writeFileSync(join(context.repo, "dist/gen/help.json"), texts);
	writeFileSync(entry, entrySource(target));
	if (embedded !== null)
		writeFileSync(join(context.repo, "dist/gen", manifestName(embedded)), JSON.stringify(embedded));
	await task(`${name} for ${target}`, () =>
		compile(context, { entry, target, runtime: runtimePath(runtime), commit, embedded, output }),
	);
	writeFileSync(keyFile, key);
	say(`  ${name}: ${(statSync(output).size / 1e6).toFixed(0)} MB`);
	return output;
}

const HEAD_BYTES = 4096;

interface Compilation {
	readonly entry: string;
	readonly target: Target;
	/** Bun's executable to put the code into. */
	readonly runtime: string;
	readonly commit: string | null;
	readonly embedded: Manifest | null;
	readonly output: string;
}

/** The compiler names the code inside after the output file, so it gets its final name, in a folder of its own. */
async function compile(
	context: Context,
	{ entry, target, runtime, commit, embedded, output }: Compilation,
): Promise<void> {
	const folder = join(context.repo, "dist", `.tmp-${process.pid}`);
	mkdirSync(folder, { recursive: true });
	try {
		const temporary = join(folder, output.slice(output.lastIndexOf("/") + 1));
		const argv = [
			...[process.execPath, "build", ...COMPILE_FLAGS, `--target=${PLATFORMS[target].bun}`],
			`--compile-executable-path=${runtime}`,
			// Bytecode of the outermost level halves the time to the first answer for 1 MB, all levels would take 4; it is made
			// for the machine that makes it.
			...(target === hostTarget() ? ["--bytecode", "--bytecode-depth=0"] : []),
			...BUNDLE_FLAGS,
			...["--define", `VIRTUALGHOST_COMMIT=${commit === null ? "null" : JSON.stringify(commit)}`],
			...[entry, `--outfile=${temporary}`],
		];
		await run(argv, { log: join(context.cache, "logs", "binary.log"), cwd: context.repo });
		if (!existsSync(temporary)) throw new Fault("bun build ended well but left no executable");
		if (embedded !== null && target === "linux-x64") appendTable(context, temporary, embedded);
		renameSync(temporary, output);
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

/** Where QEMU is not embedded, the launcher uses the system's. */
function withoutQemu(manifest: Manifest, qemu: boolean): Manifest {
	if (qemu) return manifest;
	say("  no QEMU inside: the launcher will use the one installed on the system");
	const assets = manifest.assets.filter((asset) => asset.name !== "qemu");
	return { ...manifest, qemu: null, assets, packages: { ...manifest.packages, qemu: [] } };
}

/** Finds the images in the finished executable and writes down where they lie (src/vm/part-table.ts). */
function appendTable(context: Context, executable: string, manifest: Manifest): void {
	const content = readFileSync(executable);
	const parts: Record<string, Part> = {};
	for (const name of IN_PLACE) {
		const asset = manifest.assets.find((each) => each.name === name);
		if (asset === undefined) continue;
		const found = findFile(content, join(assetsFolder(context), asset.file));
		const there = content.subarray(found.offset, found.offset + found.size);
		if (new Bun.CryptoHasher("sha256").update(there).digest("hex") !== asset.sha256) {
			throw new Fault(`"${name}" in the executable is not what the manifest says`, {
				fix: "make the assets anew: bun build.ts --refresh",
			});
		}
		parts[name] = found;
	}
	appendFileSync(executable, encodeTable(parts));
}

/** By the file's first bytes: an EROFS image has its superblock there. */
function findFile(content: Buffer, path: string): Part {
	const file = readFileSync(path);
	const head = file.subarray(0, HEAD_BYTES);
	for (let offset = content.indexOf(head); offset >= 0; offset = content.indexOf(head, offset + 1)) {
		if (content.subarray(offset, offset + file.length).equals(file)) return { offset, size: file.length };
	}
	throw new Fault(`the executable does not hold ${path} in one piece`, {
		why: "`bun build --compile` has changed how it embeds files",
		fix: "see docs/decisions/zero-copy.md",
	});
}

function manifestName(manifest: Manifest): string {
	return `manifest-${manifest.arch}${manifest.qemu === null ? "-no-qemu" : ""}.json`;
}

/** The entry answers what needs no code of the launcher's, and loads the launcher for the rest. */
export function entrySource(target: Target): string {
	return [
		"// Made by vm-assets/build/binary.ts.",
		'import { answerQuickly } from "../../src/quick-answer.ts";',
		'import texts from "./help.json" with { type: "json" };',
		"",
		`if (!answerQuickly(process.argv.slice(2), texts)) await import("./launcher-${target}.ts");`,
		"",
	].join("\n");
}

export function launcherWithAssets(manifest: Manifest): string {
	const imports = manifest.assets.map(
		({ name, file }) => `import ${name} from "../assets/${manifest.arch}/${file}" with { type: "file" };`,
	);
	return [
		"// Made by vm-assets/build/binary.ts.",
		...imports,
		`import manifest from "./${manifestName(manifest)}" with { type: "json" };`,
		'import { main } from "../../src/main.ts";',
		"",
		`await main({ manifest, files: { ${manifest.assets.map(({ name }) => name).join(", ")} } });`,
		"",
	].join("\n");
}

export function launcherWithoutAssets(): string {
	return 'import { main } from "../../src/main.ts";\n\nawait main({ manifest: null, files: {} });\n';
}
