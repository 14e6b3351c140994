/** `virtualghost prewarm`: makes the snapshots from which later runs with the same flags start, for CI images and the impatient. */
import type { Config } from "../config/schema.ts";
import { EXIT, Fault } from "../errors.ts";
import { Interrupts } from "../interrupts.ts";
import { listSnapshots } from "../vm/snapshot/store.ts";
import { findFitting, makeSnapshot } from "../vm/snapshot/warm.ts";
import { type Context, loadContextConfig } from "./context.ts";
import { displayOf, findHost } from "./host.ts";
import { findLook } from "./look.ts";
import { prepareRun } from "./open-run.ts";
import { print } from "./output.ts";
import { createReport } from "./report.ts";

const MIB = 1024 * 1024;

/** @throws Fault where this host cannot start from a snapshot */
export async function prewarm(context: Context, flags: Readonly<Record<string, unknown>>): Promise<number> {
	const { config, origins } = loadContextConfig(context, flags);
	const report = createReport(context);
	// A machine with a window, and one for `run -- CMD`, unless one of them is asked for.
	const modes = origins["gpu.mode"].origin === "default" ? (["auto", "none"] as const) : [config.gpu.mode];
	for (const mode of modes) await makeOne(context, { ...config, gpu: { ...config.gpu, mode } }, report);
	return EXIT.ok;
}

async function makeOne(context: Context, config: Config, report: ReturnType<typeof createReport>): Promise<void> {
	using interrupts = new Interrupts();
	const host = findHost(context, config, false);
	const look = findLook(context, config)?.look ?? null;
	const headless = displayOf(config, host, false) === "none";
	await using prepared = await prepareRun(context, { config, host, headless, look }, report, interrupts.signal);
	const fitting = findFitting(prepared.request);
	if ("why" in fitting) throw new Fault("No snapshot can be made", { why: fitting.why });
	report.stage(`booting a machine for the snapshot (${fitting.plan.gpu})`);
	const made = await makeSnapshot(prepared.request, fitting);
	const known = listSnapshots(context.directories.cache).find(({ key }) => key === fitting.key);
	const size = known ? `, ${Math.round(known.bytes / MIB)} MiB` : "";
	print(made ? `${fitting.plan.gpu}: ${fitting.key}${size}\n` : `${fitting.plan.gpu}: being made by another process\n`);
}
