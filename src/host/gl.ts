/** The host's OpenGL as a fact. The asking is done by a child: see gl-probe.ts. */
import { z } from "zod";
import type { GlFact } from "../plan/facts.ts";
import { childEnvironment } from "./child-environment.ts";
import type { GlApi } from "./gl-probe.ts";

/** Name of the hidden verb; its one argument is the API. */
export const GL_PROBE_VERB = "gl-probe";
/** A driver that has not answered by then hangs. A cold one on a slow disk takes about a second. */
const TIMEOUT_MS = 10_000;
const WHY_CHARS_MAX = 300;

const answerSchema = z.object({ version: z.string().max(256), renderer: z.string().max(256) });

/** Never throws: whatever goes wrong in there is a reason not to use it. */
export function askHostGl(api: GlApi, env: Readonly<Record<string, string | undefined>>): GlFact {
	const child = Bun.spawnSync([process.execPath, GL_PROBE_VERB, api], {
		env: childEnvironment(env, {}),
		stdout: "pipe",
		stderr: "pipe",
		timeout: TIMEOUT_MS,
		killSignal: "SIGKILL",
	});
	const none = (why: string): GlFact => ({ version: null, renderer: "", why });
	if (child.exitCode === null) {
		const hangs = child.signalCode === "SIGKILL";
		return none(
			hangs ? `the driver did not answer within ${TIMEOUT_MS / 1000} s` : `the driver crashed (${child.signalCode})`,
		);
	}
	// A driver may print what it likes: the answer is the last line.
	const line = child.stdout.toString().trim().split("\n").at(-1) ?? "";
	try {
		return { ...answerSchema.parse(JSON.parse(line)), why: "" };
	} catch {
		const said = child.stderr.toString().trim().split("\n").at(-1) ?? "";
		return none(said.slice(0, WHY_CHARS_MAX) || `the probe ended with ${child.exitCode}`);
	}
}
