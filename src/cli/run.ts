/** `virtualghost run`: a machine with its window, in the background, or for one command. Also --dry-run and --headless-test. */

import type { LoadedConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { EXIT, Fault } from "../errors.ts";
import { surviveParent } from "../host/parent.ts";
import { Interrupts, interruptExitCode, rejectOn } from "../interrupts.ts";
import { decide, inheritedChannels } from "../plan/decide.ts";
import type { HostFacts } from "../plan/facts.ts";
import { isPassthrough } from "../plan/gpu.ts";
import { tendLeftovers } from "../vfio/pending.ts";
import { judgeEnding } from "../vm/ending.ts";
import { parseForward } from "../vm/forwards.ts";
import { checkName } from "../vm/friendly-names.ts";
import { rememberFirstStart } from "../vm/host-memory.ts";
import { EXIT_LOST } from "./attach.ts";
import { type Context, loadContextConfig } from "./context.ts";
import { type Announce, detach, detachedAnnouncer } from "./detach.ts";
import { dryRun } from "./dry-run.ts";
import { attachCommand, openCommand } from "./exec.ts";
import { checkFiles, type FileFlags, openFiles, type RunFiles } from "./files.ts";
import { asLauncher, type CommandFlags, guestCommandLine } from "./guest-command.ts";
import { headlessTest } from "./headless-test.ts";
import { findHost } from "./host.ts";
import { findLook } from "./look.ts";
import {
	checkOwnImages,
	chooseQemu,
	imagePaths,
	type OpenRun,
	openExecutable,
	openRun,
	type RunWishes,
} from "./open-run.ts";
import { takeCard } from "./passthrough.ts";
import { createReport, type Report } from "./report.ts";
import { type Serving, serve } from "./serve.ts";
import { makeInBackground } from "./snapshots.ts";

/** For a QEMU whose guest's connection has just broken to be gone. */
const ENDING_MS = 1_000;

export interface RunFlags extends CommandFlags, FileFlags, Readonly<Record<string, unknown>> {
	readonly headlessTest: boolean;
	readonly screenshot: string | undefined;
	readonly json: boolean;
	readonly dryRun: boolean;
	readonly name: string | undefined;
	readonly detach: boolean;
	/** Not from a snapshot, and none is made. */
	readonly cold: boolean;
	/** With a card of the host's: in spite of the obstacles that may be overridden. */
	readonly force: boolean;
	/** `[ip:]host:guest` */
	readonly publish: readonly string[];
}

/** Returns the process's exit code. @throws Fault */
export async function run(context: Context, flags: RunFlags): Promise<number> {
	checkFlags(flags);
	const loaded = loadContextConfig(context, flags);
	const headless = flags.headlessTest || (!isWindowWanted(loaded) && isScripted(flags));
	const config = effectiveConfig(loaded, flags);
	checkCardFlags(config, flags);
	checkFiles(context, flags);
	const terminal = findLook(context, config);
	if (flags.dryRun) return dryRun(context, config, terminal?.look ?? null, { ...flags, headless });
	const announce = flags.detach ? detachedAnnouncer(context.env) : null;
	const host = findHost(context, config, headless);
	checkBeforeWork(context, config, host, headless);
	if (flags.detach && announce === null) return await detach(process.argv.slice(2), context.env);
	const report = createReport(context);
	for (const line of terminal?.details ?? []) report.detail(line);
	const look = terminal?.look ?? null;
	const card = isPassthrough(config) ? config.gpu.mode : null;
	await tendLeftovers({ env: context.env, warn: (text) => report.warn(text), except: card });
	if (flags.headlessTest) return await headlessTest(context, { config, host, look }, report, flags);
	const wishes: RunWishes = { config, host, headless, name: flags.name, cold: flags.cold, look };
	if (flags.command.length > 0) {
		return await asLauncher(() =>
			withFiles(context, wishes, report, flags, (files) => runCommand(context, wishes, files, report, flags)),
		);
	}
	// Like any program with a window, it outlives the shell or script that started it.
	surviveParent();
	return await withFiles(context, wishes, report, flags, (files) =>
		runMachine(context, wishes, files, report, flags, announce),
	);
}

/** What a run keeps is opened before it and dealt with after it, however it ends. */
async function withFiles(
	context: Context,
	{ config }: RunWishes,
	report: Report,
	flags: RunFlags,
	work: (files: RunFiles) => Promise<number>,
): Promise<number> {
	await using files = await openFiles(context, config, flags, report);
	let code: number;
	try {
		code = await work(files);
	} catch (error) {
		files.tellKept();
		throw error;
	}
	const isDone = await files.finish();
	return isDone || code !== EXIT.ok ? code : flags.command.length > 0 ? EXIT.launcher : EXIT.failure;
}

/** No window unless it is asked for: a script has nobody to look at it. */
function isScripted(flags: RunFlags): boolean {
	return flags.detach || flags.command.length > 0;
}

function isWindowWanted({ config, origins }: LoadedConfig): boolean {
	return origins["display.backend"].origin !== "default" && config.display.backend !== "none";
}

/** A machine for one command needs no screen; without one it is up sooner. A look for one run is not worth a snapshot. */
function effectiveConfig(loaded: LoadedConfig, flags: RunFlags): Config {
	const { origins } = loaded;
	const forOneRun = (["terminal.theme", "terminal.font-size"] as const).some((key) => origins[key].origin === "flag");
	const config = forOneRun ? { ...loaded.config, snapshot: { ...loaded.config.snapshot, auto: false } } : loaded.config;
	if (flags.command.length === 0 || isWindowWanted(loaded)) return config;
	return origins["gpu.mode"].origin === "default" ? { ...config, gpu: { ...config.gpu, mode: "none" } } : config;
}

function checkFlags(flags: RunFlags): void {
	const usage = (what: string, fix?: string) => new Fault(what, { fix, exitCode: EXIT.usage });
	if (flags.screenshot !== undefined && !flags.headlessTest) {
		throw usage("--screenshot belongs to --headless-test", "add --headless-test, or use `virtualghost screenshot`");
	}
	if (flags.json && !flags.headlessTest && !flags.dryRun) throw usage("--json belongs to --headless-test or --dry-run");
	if (flags.headlessTest && (flags.mount.length > 0 || flags.work !== undefined)) {
		throw usage("--headless-test takes neither --mount nor --work");
	}
	if (flags.headlessTest && isScripted(flags)) throw usage("--headless-test takes neither --detach nor a command");
	if (flags.detach && flags.command.length > 0) {
		throw usage(
			"--detach leaves a machine running, -- CMD ends it with the command",
			"use `run --detach` first, then `virtualghost exec -- CMD`",
		);
	}
	const hasCommandFlag = flags.env.length > 0 || flags.workdir !== undefined || flags.root || flags.tty;
	if (hasCommandFlag && flags.command.length === 0) {
		throw usage("--env, --workdir, --root and --tty belong to a command", "put the command at the end: -- CMD…");
	}
	if (flags.name !== undefined) checkName(flags.name);
	flags.publish.forEach(parseForward);
}

function checkCardFlags(config: Config, flags: RunFlags): void {
	const usage = (what: string, fix: string) => new Fault(what, { fix, exitCode: EXIT.usage });
	if (!isPassthrough(config)) {
		if (flags.force)
			throw usage("--force belongs to --gpu with a card's address", "virtualghost gpu list shows the cards");
		return;
	}
	if (flags.headlessTest) throw usage("--headless-test hands no card over", "use --gpu auto with it");
}

/** Finds what cannot work before anything is extracted or started. */
function checkBeforeWork(context: Context, config: Config, host: HostFacts, headless: boolean): void {
	checkOwnImages(config);
	using own = openExecutable(context, () => {});
	decide(config, host, chooseQemu(config, context, host).facts, imagePaths(config, context, own, null), {
		headless,
		instanceFolder: context.directories.runtime,
		channels: inheritedChannels(),
		credentialFiles: [],
	});
}

/** Until the machine ends by itself, by Ctrl+C, or by `stop`. */
async function runMachine(
	context: Context,
	wishes: RunWishes,
	files: RunFiles,
	report: Report,
	flags: RunFlags,
	announce: Announce | null,
): Promise<number> {
	using interrupts = new Interrupts();
	await using card = await takeCard(context, { ...wishes, force: flags.force }, report, interrupts.signal);
	const all = { ...wishes, disks: files.disks, hasFiles: files.hasFiles, passthrough: card?.plan.passed };
	await using opened = await openRun(context, all, report, interrupts.signal);
	const { machine } = opened;
	await using serving = await serve(opened, flags.publish, interrupts);
	const { promise: closed, resolve: close } = Promise.withResolvers<"closed">();
	machine.onClose = () => close("closed");
	const stopped = Promise.race([rejectOn(interrupts.signal).catch(() => "stopped" as const), closed]);
	const up = follow(context, opened, serving, files, wishes.config, report).then(() => "up" as const);
	void up.then(() => announce?.({ name: opened.instance.name })).catch(() => {});
	const first = await Promise.race([machine.ended, stopped, up]);
	await using _maker =
		first === "up" && wishes.config.snapshot.auto && !flags.cold && announce === null
			? makeInBackground(opened.request, report)
			: null;
	// `up` settles only by throwing once the machine is up or has ended; the race below is the long wait.
	if (first === "up") await Promise.race([machine.ended, stopped]);
	if (interrupts.first) {
		report.stage("shutting down (Ctrl+C again skips ahead)");
		machine.window?.say("closing");
		await Promise.race([files.collect(), interrupts.next()]);
		const { orderly } = await serving.stop();
		return orderly ? EXIT.ok : interruptExitCode(interrupts.first);
	}
	if (machine.child.running && (await Promise.race([closed, machine.ended])) === "closed") {
		report.stage("closing (closing the window again ends it at once)");
		machine.window?.say("closing");
		// What the user asked for, however it ends.
		await serving.stop();
		return EXIT.ok;
	}
	await machine.ended;
	if (serving.forced) return EXIT.terminated;
	await judge(opened);
	report.stage("ended");
	return EXIT.ok;
}

/** Boots, runs the command, takes the machine down, returns the command's code. */
async function runCommand(
	context: Context,
	wishes: RunWishes,
	files: RunFiles,
	report: Report,
	flags: RunFlags,
): Promise<number> {
	const line = guestCommandLine({ ...flags, workdir: flags.workdir ?? files.folder ?? undefined }, context.env);
	using interrupts = new Interrupts();
	await using card = await takeCard(context, { ...wishes, force: flags.force }, report, interrupts.signal);
	const all = { ...wishes, disks: files.disks, hasFiles: files.hasFiles, passthrough: card?.plan.passed };
	await using opened = await openRun(context, all, report, interrupts.signal);
	await using serving = await serve(opened, flags.publish, interrupts);
	const { machine } = opened;
	await Promise.race([machine.reach("agent", wishes.config.timeouts.bootSeconds * 1000), rejectOn(interrupts.signal)]);
	const stopped = rejectOn(interrupts.signal);
	await Promise.race([files.place(machine), stopped]);
	serving.isUp();
	report.stage("system up");
	using session = await Promise.race([machine.login(flags.root ? "root" : undefined), stopped]);
	const channel = await Promise.race([openCommand(session, line, flags), stopped]);
	// From here on the first Ctrl+C is the command's; `virtualghost stop` is not.
	const asked = rejectOn(interrupts.asked).catch(() => EXIT.terminated);
	const code = await Promise.race([attachCommand(channel, flags), asked]);
	// The connection may break a moment before QEMU is gone.
	const gone = code === EXIT_LOST && (await machine.child.exitsWithin(ENDING_MS));
	if (gone && !serving.forced) await judge(opened);
	// Nothing else in it outlives the command: there is nothing to shut down in order.
	if (machine.child.running) await Promise.race([files.collect(), asked]);
	await files.settle();
	await machine.qmp.execute("quit").catch(() => {});
	await machine.ended;
	return code;
}

/** @throws Fault if the machine did not end as it should. */
async function judge({ machine, logs }: OpenRun): Promise<void> {
	const fault = judgeEnding({
		...(await machine.ended),
		session: machine.guest.sessionEnd,
		graphics: machine.guest.graphics,
		alive: machine.guest.has("kernel"),
		fatal: machine.guest.fatal,
		panic: machine.guest.panic,
		serialTail: logs.tail("serial"),
		qemuTail: logs.tail("qemu"),
		logFolder: logs.folder,
	});
	if (fault) throw fault;
}

/** Tells the stages of the start. Resolves when the machine is up, or has ended; rejects if it does not come up in time. */
async function follow(
	context: Context,
	{ machine }: OpenRun,
	serving: Serving,
	files: RunFiles,
	config: Config,
	report: Report,
): Promise<void> {
	const timeoutMs = config.timeouts.bootSeconds * 1000;
	try {
		await machine.reach("agent", timeoutMs);
		await files.place(machine);
		serving.isUp();
		report.stage("system up");
		if (machine.plan.gpu === "none") return;
		await machine.reach("terminal", timeoutMs);
		report.stage("terminal up");
		rememberFirstStart(context.directories.state);
	} catch (error) {
		// A machine that has ended is judged by the caller, from all that is known.
		if (machine.child.running) throw error;
	}
}
