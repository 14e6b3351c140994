/** The guest agent: one executable made of the launcher's own Bun, and packed so that only what differs is in its image. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault, reason } from "../../src/errors.ts";
import { GUEST_PATH } from "../../src/wire/names.ts";
import { agentImage } from "./agent-image.ts";
import { type Step, step } from "./cache.ts";
import type { Context } from "./context.ts";
import { GLIBC_FILES, GLIBC_FOLDER } from "./guest.ts";
import { hashFile, hashValue } from "./hash.ts";
import { run } from "./run.ts";
import { GUEST_RUNTIME, readGuestRuntime } from "./runtime.ts";
import { PLATFORMS } from "./targets.ts";
import { toolsTree } from "./tools.ts";
import { inTree } from "./tree.ts";

const ENTRY = "agent/main.ts";

export const AGENT_IMAGE = "agent.erofs";

const AGENT = "agent";

const COMPILE_FLAGS = [
	"--compile",
	"--minify",
	"--no-compile-autoload-dotenv",
	"--no-compile-autoload-bunfig",
] as const;

/** ssh2 would load this native addon where it finds it; without it, it uses a table. */
export const EXTERNAL = ["cpu-features"] as const;

/** Bun writes where a CommonJS module lay at build time into the bundle: the builder's folders are nobody's business. */
const SOURCE_FOLDER = { __dirname: '"/virtualghost"', __filename: '"/virtualghost/module.js"' };

export async function agentStep(context: Context, tools: Step, runtime: Step): Promise<Step> {
	return step(context, {
		name: "agent",
		title: "guest agent",
		recipe: ["vm-assets/build/agent.ts", "vm-assets/build/agent-image.ts"],
		parameters: { bundle: await bundleHash(join(context.repo, ENTRY)), bun: Bun.version },
		uses: [tools, runtime],
		make: async ({ dir, log }) => {
			// Bun for the oldest processors: emulated ones often have no AVX.
			const target = `--target=${PLATFORMS["linux-x64"].bun}`;
			const bun = `--compile-executable-path=${join(runtime.dir, GUEST_RUNTIME.executable)}`;
			const argv = [process.execPath, "build", ...COMPILE_FLAGS, target, bun];
			const agent = join(dir, AGENT);
			await run([...argv, ...BUNDLE_FLAGS, ENTRY, `--outfile=${agent}`], { log, cwd: context.repo });
			await verifyStarts(tools, agent, log);
			packAgent(runtime, agent, dir);
			await verifyImage(tools, runtime, dir, log);
			rmSync(agent);
		},
	});
}

/** The agent begins and ends with bytes of its own; what is shared must be what the runtime says. */
function packAgent(runtime: Step, agent: string, dir: string): void {
	const { part, sha256 } = readGuestRuntime(runtime);
	const content = readFileSync(agent);
	const shared = content.subarray(part.offset, part.offset + part.size);
	if (new Bun.CryptoHasher("sha256").update(shared).digest("hex") !== sha256) {
		throw new Fault("the agent's executable differs from Bun's where it should be the same", {
			why: "`bun build --compile` has changed what it rewrites",
			fix: "see docs/decisions/shared-runtime.md",
		});
	}
	writeFileSync(join(dir, AGENT_IMAGE), agentImage(`${GUEST_PATH.agent}/${AGENT}`, content, part));
}

/** Another reader of the format than the kernel's, on the two devices as the guest will see them. */
async function verifyImage(tools: Step, runtime: Step, dir: string, log: string): Promise<void> {
	const script =
		"zstd -dq /mnt/runtime/runtime.zst -o /tmp/runtime &&" +
		' fsck.erofs --extract=/tmp/out --device=/tmp/runtime "/mnt/out/$1" && cat "/tmp/out/$2" | sha256sum';
	const argv = ["bash", "-euc", script, "verify", AGENT_IMAGE, `${GUEST_PATH.agent}/${AGENT}`];
	const mounts = [
		{ from: dir, as: "out" },
		{ from: runtime.dir, as: "runtime" },
	];
	const said = new TextDecoder().decode(await inTree({ tree: toolsTree(tools), argv, mounts }, { log }));
	if (!said.includes(await hashFile(join(dir, AGENT))))
		throw new Fault("the agent's image does not hold the agent", { log });
}

/** Starts the agent on this machine through the C library that the guest will have, and no other. */
async function verifyStarts(tools: Step, agent: string, log: string): Promise<void> {
	const folder = join(toolsTree(tools), GLIBC_FOLDER);
	const loader = join(folder, GLIBC_FILES[0] ?? "");
	await run([loader, "--library-path", folder, agent, "--version"], { log, cwd: "/" });
}

/** Flags for every bundle of ours. */
export const BUNDLE_FLAGS: readonly string[] = [
	...EXTERNAL.flatMap((name) => ["--external", name]),
	...Object.entries(SOURCE_FOLDER).flatMap(([name, value]) => ["--define", `${name}=${value}`]),
];
/** Hash of all the code that an entry point pulls in: exact, and quicker than compiling it. */
export async function bundleHash(entry: string): Promise<string> {
	const built = await Bun.build({
		entrypoints: [entry],
		target: "bun",
		external: [...EXTERNAL],
		define: SOURCE_FOLDER,
		throw: true,
	}).catch((error: unknown) => {
		const messages = error instanceof AggregateError ? error.errors.map(String).join("\n") : reason(error);
		throw new Fault(`${entry} cannot be bundled`, { tail: messages });
	});
	const texts = await Promise.all(built.outputs.map((output) => output.text()));
	return hashValue(texts);
}
