/** The guest agent as one executable for musl. */
import { join } from "node:path";
import { Fault, reason } from "../../src/errors.ts";
import { type Step, step } from "./cache.ts";
import type { Context } from "./context.ts";
import { hashValue } from "./hash.ts";
import { AGENT_TARGET, COMPILE_FLAGS, verifyAgent } from "./musl.ts";
import { run } from "./run.ts";

const ENTRY = "agent/main.ts";

export const AGENT = "agent";

/** ssh2 would load this native addon where it finds it; without it, it uses a table. */
export const EXTERNAL = ["cpu-features"] as const;

/** Bun writes where a CommonJS module lay at build time into the bundle: the builder's folders are nobody's business. */
const SOURCE_FOLDER = { __dirname: '"/virtualghost"', __filename: '"/virtualghost/module.js"' };

export async function agentStep(context: Context, musl: Step): Promise<Step> {
	return step(context, {
		name: "agent",
		title: "guest agent",
		recipe: ["vm-assets/build/agent.ts"],
		parameters: { bundle: await bundleHash(join(context.repo, ENTRY)), bun: Bun.version },
		uses: [musl],
		make: async ({ dir, log }) => {
			// Parsed at build time: a third of the agent's start on an emulated processor.
			const argv = [process.execPath, "build", ...COMPILE_FLAGS, "--bytecode", `--target=${AGENT_TARGET}`];
			await run([...argv, ...BUNDLE_FLAGS, ENTRY, `--outfile=${join(dir, AGENT)}`], { log, cwd: context.repo });
			await verifyAgent(musl.dir, join(dir, AGENT), "", log);
		},
	});
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
