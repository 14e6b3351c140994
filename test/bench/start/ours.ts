/** The rows of the built binary, run as a user would run it: own HOME, nothing of this checkout in reach. */
import { join } from "node:path";
import { Fault } from "../../../src/errors.ts";
import { connectInstance } from "../../../src/vm/connect.ts";
import { runningInstances } from "../../../src/vm/registry.ts";
import { PROTOCOL_VERSION } from "../../../src/wire/names.ts";
import { BINARY, type Sandbox } from "../../vm/harness.ts";
import { Timed } from "./launcher.ts";
import { type ProcessMemory, processMemory } from "./memory.ts";
import type { Screen } from "./screen.ts";

/** The promises are about software emulation. */
const ACCEL = ["--accel", "tcg"] as const;
/** Between the first Ctrl+C and the next: a machine that is measured need not shut down in order. */
const HURRY_MS = 300;
const LOGIN_AGAIN_MS = 100;

export type WindowGpu = "software" | "virgl";

/** Seconds since the start of the launcher. */
export interface WindowMoments {
	/** The agent has answered a request over SSH. */
	readonly agent: number;
	/** The prompt's pixels are on the X server's screen. */
	readonly drawn: number;
	/** What was typed on the X server's keyboard has appeared behind the prompt. */
	readonly live: number;
	readonly launcher: ProcessMemory;
}

export interface WindowStart {
	readonly gpu: WindowGpu;
	/** What the start must have been; another one is an error, not a figure. */
	readonly kind: "cold" | "warm";
}

/** Starts a window, waits until it can be used, ends it. */
export async function startWindow(sandbox: Sandbox, screen: Screen, start: WindowStart): Promise<WindowMoments> {
	const flags = ["run", "-v", ...ACCEL, "--gpu", start.gpu, "--display", "sdl"];
	if (start.kind === "cold") flags.push("--cold");
	const env = { ...sandbox.env, ...screen.env };
	await using launcher = new Timed([BINARY, ...flags], { env, cwd: sandbox.cwd });
	const [agent, { drawn, live }] = await Promise.all([agentAnswers(sandbox, launcher), promptIsLive(screen, launcher)]);
	requireKind(launcher, start.kind);
	const memory = processMemory(launcher.pid);
	await endWindow(launcher);
	await screen.cleared(AbortSignal.timeout(10_000));
	return { agent, drawn, live, launcher: memory };
}

export async function promptIsLive(screen: Screen, program: Timed): Promise<{ drawn: number; live: number }> {
	const prompt = await screen.promptDrawn(program.signal);
	const drawn = program.seconds;
	await screen.echoed(prompt, program.signal);
	return { drawn, live: program.seconds };
}

async function agentAnswers(sandbox: Sandbox, launcher: Timed): Promise<number> {
	// The launcher's own word comes first; what counts is an answer to somebody else.
	await launcher.says("system up");
	const [instance] = runningInstances(join(sandbox.runtime, "virtualghost"));
	if (!instance) throw new Error("no machine is running");
	for (;;) {
		try {
			using session = await connectInstance(instance, { signal: launcher.signal });
			await session.control({ op: "hello", protocol: PROTOCOL_VERSION });
			return launcher.seconds;
		} catch (error) {
			// On an overloaded machine a login runs into its 30 s; what counts is the first that is answered.
			if (launcher.signal.aborted || !(error instanceof Fault)) throw error;
			console.error(`    (again: ${error.message}: ${error.details.why ?? ""})`);
			await Bun.sleep(LOGIN_AGAIN_MS);
		}
	}
}

function requireKind(launcher: Timed, kind: "cold" | "warm"): void {
	const restored = launcher.lines.some(({ text }) => /snapshot: [0-9a-f]{20}/.test(text));
	if (restored !== (kind === "warm")) throw new Error(`this was no ${kind} start:\n${launcher.tail()}`);
}

async function endWindow(launcher: Timed): Promise<void> {
	const hurry = setInterval(() => launcher.kill("SIGINT"), HURRY_MS);
	launcher.kill("SIGINT");
	await launcher.exited;
	clearInterval(hurry);
}

/** `run -- true`, from its start to its end. */
export async function runTrue(sandbox: Sandbox, kind: "cold" | "warm"): Promise<number> {
	const flags = ["run", "-v", ...ACCEL, ...(kind === "cold" ? ["--cold"] : [])];
	await using launcher = new Timed([BINARY, ...flags, "--", "true"], { env: sandbox.env, cwd: sandbox.cwd });
	const seconds = await launcher.finish();
	requireKind(launcher, kind);
	return seconds;
}

/** Makes the snapshots that the warm rows start from; what the binary carries is extracted after that in any case. */
export async function prewarm(sandbox: Sandbox, screen: Screen, gpus: readonly (WindowGpu | "none")[]): Promise<void> {
	for (const gpu of gpus) {
		const display = gpu === "none" ? "none" : "sdl";
		const argv = [BINARY, "prewarm", ...ACCEL, "--gpu", gpu, "--display", display];
		await using made = new Timed(argv, { env: { ...sandbox.env, ...screen.env }, cwd: sandbox.cwd });
		await made.finish();
	}
	if (gpus.length === 0) await runTrue(sandbox, "cold");
}
