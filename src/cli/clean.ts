/** `virtualghost clean`: removes the extracted files, the logs and what was learned about this host. */

import { lstatSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { EXIT, Fault, reason } from "../errors.ts";
import { livingNames, sweepDead } from "../vm/registry.ts";
import type { Context } from "./context.ts";
import { print } from "./output.ts";

const MIB = 1024 * 1024;

export function clean(context: Context, flags: { json: boolean }): number {
	const { cache, state, runtime } = context.directories;
	sweepDead(runtime);
	const running = livingNames(runtime).size;
	if (running > 0) {
		throw new Fault(`${running} virtual machine${running === 1 ? " is" : "s are"} running on these files`, {
			fix: "close the window first, or use `virtualghost stop`",
		});
	}
	let bytes = 0;
	for (const folder of [cache, state]) {
		bytes += sizeOf(folder);
		try {
			rmSync(folder, { recursive: true, force: true });
		} catch (error) {
			throw new Fault(`${folder} could not be removed`, {
				why: reason(error),
				fix: "check its permissions",
				cause: error,
			});
		}
	}
	if (flags.json) print(`${JSON.stringify({ removedBytes: bytes, folders: [cache, state] })}\n`);
	else print(`removed ${(bytes / MIB).toFixed(1)} MiB from ${cache} and ${state}\n`);
	return EXIT.ok;
}

/** Bytes on disk; what cannot be read counts as nothing. */
function sizeOf(path: string): number {
	const stat = lstatSync(path, { throwIfNoEntry: false });
	if (!stat) return 0;
	if (!stat.isDirectory()) return stat.blocks ? stat.blocks * 512 : stat.size;
	try {
		return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
	} catch {
		return 0;
	}
}
