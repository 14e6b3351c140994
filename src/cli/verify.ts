/** `virtualghost verify`: is everything in this file, and everything that was extracted from it, what was built? */
import { EXIT, Fault } from "../errors.ts";
import { sha256Of } from "../vm/assets.ts";
import { type Finding, verifyAssets } from "../vm/verify.ts";
import type { Context } from "./context.ts";
import { print } from "./output.ts";

/** @throws Fault where anything is damaged */
export async function verify(context: Context, flags: { json: boolean }): Promise<number> {
	const findings: Finding[] = [];
	for await (const finding of verifyAssets(context.embedded, context.directories.cache)) {
		findings.push(finding);
		if (!flags.json) print(describe(finding));
	}
	// The manifest is inside too: against somebody who changed both, only the sum of the whole file helps.
	const executable = { path: process.execPath, sha256: await sha256Of(process.execPath) };
	const damaged = findings.filter(({ verdict }) => verdict === "damaged");
	if (flags.json) print(`${JSON.stringify({ ok: damaged.length === 0, executable, findings }, null, 2)}\n`);
	else print(`sha256 of ${executable.path}: ${executable.sha256}\n`);
	if (damaged.length === 0) return EXIT.ok;
	const inside = damaged.some(({ where }) => where === "executable");
	throw new Fault(`${damaged.length === 1 ? "One part is" : `${damaged.length} parts are`} damaged`, {
		why: damaged.map(({ name, where, why }) => `${name} (${where}): ${why}`).join("; "),
		fix: inside ? "download or build virtualghost again" : "`virtualghost clean`; the next start extracts them anew",
	});
}

function describe({ name, where, verdict }: Finding): string {
	return `${verdict.padEnd(8)} ${name.padEnd(10)} in the ${where}\n`;
}
