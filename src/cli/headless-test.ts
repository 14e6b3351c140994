/** `run --headless-test`: the product's own proof, a line of a report for each promise. */

import { accessSync, constants, existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { EXIT, Fault, reason } from "../errors.ts";
import { Interrupts, rejectOn } from "../interrupts.ts";
import { type NamedCheck, SmokeChecks } from "../smoke/checks.ts";
import type { Context } from "./context.ts";
import { type OpenRun, openRun, type RunWishes } from "./open-run.ts";
import { print } from "./output.ts";
import type { Report } from "./report.ts";
import { stripControls } from "./terminal-text.ts";
import { terminalName } from "./version.ts";

interface Result {
	readonly name: string;
	readonly ok: boolean;
	readonly seconds: number;
	readonly detail: string;
	/** Where a failure is explained. */
	readonly log?: string;
}

export async function headlessTest(
	context: Context,
	wishes: Pick<RunWishes, "config" | "host" | "look">,
	report: Report,
	flags: { json: boolean; screenshot: string | undefined },
): Promise<number> {
	const { config } = wishes;
	if (flags.screenshot) checkWritable(flags.screenshot);
	using interrupts = new Interrupts();
	const print = createPrinter(context, flags.json);
	const started = performance.now();
	const opened = await openRun(context, { ...wishes, headless: true, cold: true }, report, interrupts.signal);
	let results: Result[] = [];
	try {
		using checks = new SmokeChecks(opened.machine, opened.instance, config, flags.screenshot);
		results = await Promise.race([runChecks(checks.list(), opened, print), rejectOn(interrupts.signal)]);
	} finally {
		await opened[Symbol.asyncDispose]();
	}
	const last = await timed(
		{ name: "QEMU and temporary files are gone", log: "launcher", check: () => checkGone(opened) },
		opened,
	);
	print(last);
	results.push(last);
	return summarize(context, results, opened, (performance.now() - started) / 1000, flags);
}

function checkWritable(path: string): void {
	try {
		accessSync(existsSync(path) ? path : dirname(resolve(path)), constants.W_OK);
	} catch (error) {
		throw new Fault(`The screenshot cannot be written to ${path}`, { why: reason(error), exitCode: EXIT.usage });
	}
}

/** Stops at the first failure: what follows builds on it. */
async function runChecks(
	checks: readonly NamedCheck[],
	opened: OpenRun,
	print: (result: Result) => void,
): Promise<Result[]> {
	const results: Result[] = [];
	for (const check of checks) {
		const result = await timed(check, opened);
		print(result);
		results.push(result);
		if (!result.ok) break;
	}
	return results;
}

async function timed(check: NamedCheck, opened: OpenRun): Promise<Result> {
	const from = performance.now();
	const result = (ok: boolean, detail: string): Result => ({
		name: check.name,
		ok,
		seconds: Math.round(performance.now() - from) / 1000,
		detail,
		...(ok ? {} : { log: opened.logs.path(check.log) }),
	});
	try {
		return result(true, await check.check());
	} catch (error) {
		const why = error instanceof Fault && error.details.why ? `: ${error.details.why}` : "";
		return result(false, reason(error) + why);
	}
}

/** Runs after everything was taken down. */
function checkGone(opened: OpenRun): Promise<string> {
	const left = opened.instance.livingChildren().map(({ pid }) => pid);
	if (left.length > 0) throw new Fault(`QEMU or its helper is still there (process ${left.join(", ")})`);
	if (existsSync(opened.instance.folder)) throw new Fault(`${opened.instance.folder} is still there`);
	return Promise.resolve("no process, no folder");
}

function createPrinter(context: Context, json: boolean): (result: Result) => void {
	if (json) return () => {};
	const { manifest } = context.embedded;
	if (manifest) print(`terminal in this image: ${terminalName(manifest)}\n`);
	return ({ ok, name, seconds, detail, log }) => {
		const where = log ? ` (log: ${log})` : "";
		print(stripControls(`${ok ? "ok  " : "FAIL"} ${seconds.toFixed(1).padStart(6)} s  ${name}: ${detail}${where}`));
		print("\n");
	};
}

function summarize(
	context: Context,
	results: readonly Result[],
	opened: OpenRun,
	seconds: number,
	flags: { json: boolean; screenshot: string | undefined },
): number {
	const failed = results.filter((result) => !result.ok).length;
	if (flags.json) {
		const { plan } = opened.machine;
		const { accelerator, gpu, display, qemuVersion } = plan;
		const terminal = context.embedded.manifest?.terminal ?? null;
		print(
			`${JSON.stringify({ ok: failed === 0, seconds, accelerator, gpu, display, qemuVersion, terminal, checks: results, logs: opened.logs.folder }, null, 2)}\n`,
		);
	} else {
		if (flags.screenshot && failed === 0) print(`screenshot: ${flags.screenshot}\n`);
		print(
			`${failed === 0 ? "all" : `${results.length - failed} of`} ${results.length} checks passed in ${seconds.toFixed(1)} s\n`,
		);
	}
	return failed === 0 ? EXIT.ok : EXIT.failure;
}
