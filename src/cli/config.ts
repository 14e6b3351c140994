/** `virtualghost config`: where the configuration is, what is in force, and an example to start from. */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { exampleConfig } from "../config/example.ts";
import { showConfig, showConfigJson } from "../config/show.ts";
import { EXIT, Fault, reason } from "../errors.ts";
import { type Context, configFilePath, loadContextConfig } from "./context.ts";
import { print } from "./output.ts";

export interface ConfigFlags {
	readonly show: boolean;
	readonly init: boolean;
	readonly json: boolean;
}

export function config(context: Context, flags: ConfigFlags): number {
	if (flags.init && flags.show) {
		throw new Fault("--init and --show exclude each other", {
			fix: "write the file first, then show it",
			exitCode: EXIT.usage,
		});
	}
	const path = configFilePath(context);
	if (flags.init) return init(path);
	if (flags.show) {
		const loaded = loadContextConfig(context, {});
		print(`${(flags.json ? showConfigJson(loaded) : showConfig(loaded)).trimEnd()}\n`);
		return EXIT.ok;
	}
	const { cache, state } = context.directories;
	if (flags.json) print(`${JSON.stringify({ config: path, cache, state })}\n`);
	else print(`config: ${path}\ncache:  ${cache}\nlogs:   ${state}\n`);
	return EXIT.ok;
}

/** Writes the example where there is no file yet; "wx" makes sure that nobody's settings are overwritten. */
function init(path: string): number {
	try {
		mkdirSync(dirname(path), { recursive: true });
		writeFileSync(path, exampleConfig(), { flag: "wx" });
	} catch (error) {
		const exists = (error as NodeJS.ErrnoException).code === "EEXIST";
		throw new Fault(`${path} was not written`, {
			why: exists ? "it is there already" : reason(error),
			fix: exists ? "edit it, or remove it first" : undefined,
			cause: error,
		});
	}
	print(`${path}\n`);
	return EXIT.ok;
}
