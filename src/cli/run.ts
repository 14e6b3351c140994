/** `virtualghost run`: opens the window and waits for its end. Also --dry-run and --headless-test. */

import type { Config } from "../config/schema.ts";
import { EXIT, Fault } from "../errors.ts";
import { gatherHostFacts } from "../host/facts.ts";
import { Interrupts, interruptExitCode, rejectOn } from "../interrupts.ts";
import { decide, inheritedChannels } from "../plan/decide.ts";
import { judgeEnding } from "../vm/ending.ts";
import type { Machine } from "../vm/machine.ts";
import { stopMachine } from "../vm/stop.ts";
import { type Context, loadContextConfig } from "./context.ts";
import { dryRun } from "./dry-run.ts";
import { headlessTest } from "./headless-test.ts";
import { checkOwnImages, chooseQemu, imagePaths, openRun } from "./open-run.ts";
import { createReport, type Report } from "./report.ts";

export interface RunFlags extends Readonly<Record<string, unknown>> {
	readonly headlessTest: boolean;
	readonly screenshot: string | undefined;
	readonly json: boolean;
	readonly dryRun: boolean;
}

/** Returns the process's exit code. @throws Fault */
export async function run(context: Context, flags: RunFlags): Promise<number> {
	checkFlags(flags);
	const { config } = loadContextConfig(context, flags);
	if (flags.dryRun) return dryRun(context, config, flags);
	const report = createReport(context);
	checkBeforeWork(context, config, flags);
	if (flags.headlessTest) return await headlessTest(context, config, report, flags);
	return await openWindow(context, config, report);
}

function checkFlags(flags: RunFlags): void {
	if (flags.screenshot !== undefined && !flags.headlessTest) {
		throw new Fault("--screenshot belongs to --headless-test", { fix: "add --headless-test", exitCode: EXIT.usage });
	}
	if (flags.json && !flags.headlessTest && !flags.dryRun) {
		throw new Fault("--json belongs to --headless-test or --dry-run", { exitCode: EXIT.usage });
	}
}

/** Finds what cannot work before anything is extracted or started. */
function checkBeforeWork(context: Context, config: Config, flags: RunFlags): void {
	checkOwnImages(config);
	const host = gatherHostFacts(context.env);
	decide(config, host, chooseQemu(config, context, host).facts, imagePaths(config, context), {
		headless: flags.headlessTest,
		instanceFolder: context.directories.runtime,
		channels: inheritedChannels(),
		credentialFiles: [],
	});
}

async function openWindow(context: Context, config: Config, report: Report): Promise<number> {
	using interrupts = new Interrupts();
	await using opened = await openRun(context, config, false, report, interrupts.signal);
	const { machine, logs } = opened;
	const stopped = rejectOn(interrupts.signal).catch(() => "stopped" as const);
	const up = follow(machine, config, report);
	const first = await Promise.race([machine.ended, stopped, up.then(() => "up" as const)]);
	// `up` settles only by throwing once the machine is up or has ended; the race below is the long wait.
	if (first === "up") await Promise.race([machine.ended, stopped]);
	if (interrupts.first) {
		report.stage("shutting down (Ctrl+C again skips ahead)");
		const { orderly } = await stopMachine(machine, interrupts);
		return orderly ? EXIT.ok : interruptExitCode(interrupts.first);
	}
	const fault = judgeEnding({
		...(await machine.ended),
		session: machine.guest.sessionEnd,
		alive: machine.guest.has("kernel"),
		fatal: machine.guest.fatal,
		serialTail: logs.tail("serial"),
		qemuTail: logs.tail("qemu"),
		logFolder: logs.folder,
	});
	if (fault) throw fault;
	report.stage("ended");
	return EXIT.ok;
}

/** Tells the stages of the start. Resolves when the machine is up, or has ended; rejects if it does not come up in time. */
async function follow(machine: Machine, config: Config, report: Report): Promise<void> {
	const timeoutMs = config.timeouts.bootSeconds * 1000;
	try {
		await machine.reach("agent", timeoutMs);
		report.stage("system up");
		if (machine.plan.gpu === "none") return;
		await machine.reach("terminal", timeoutMs);
		report.stage("terminal up");
	} catch (error) {
		// A machine that has ended is judged by the caller, from all that is known.
		if (machine.child.running) throw error;
	}
}
