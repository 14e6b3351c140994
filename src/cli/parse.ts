/** The command line: verbs and flags by yargs; the flags of `run` come from the configuration's rows. */
import yargs, { type Argv } from "yargs";
import { CONFIG_ROWS, describeFlag } from "../config/schema.ts";
import { EXIT, Fault } from "../errors.ts";
import { VERSION } from "../version.ts";
import type { Embedded } from "../vm/assets.ts";
import type { ConfigFlags } from "./config.ts";
import { createContext, type Environment } from "./context.ts";
import type { RunFlags } from "./run.ts";

/** What each verb does, with the flags as parsed. */
export interface Verbs {
	run(flags: RunFlags & Verbose): Promise<void>;
	config(flags: ConfigFlags & Verbose): Promise<void>;
	clean(flags: { readonly json: boolean } & Verbose): Promise<void>;
	version(flags: { readonly assets: boolean; readonly json: boolean } & Verbose): Promise<void>;
}

interface Verbose {
	readonly verbose?: boolean | undefined;
}

/** Width of help where nobody says otherwise. */
export const HELP_COLUMNS = 100;

/** Runs the verb that `argv` names and returns the exit code. @throws Fault */
export async function runCommandLine(argv: readonly string[], embedded: Embedded, env: Environment): Promise<number> {
	let exitCode: number = EXIT.ok;
	const context = (flags: Verbose) => createContext(embedded, env, flags.verbose === true);
	const parser = createParser(argv, Math.min(HELP_COLUMNS, process.stdout.columns ?? HELP_COLUMNS), {
		// Each verb is loaded when it is called for: the start must not pay for the others.
		run: async (flags) => {
			const { run } = await import("./run.ts");
			exitCode = await run(context(flags), flags);
		},
		config: async (flags) => {
			const { config } = await import("./config.ts");
			exitCode = config(context(flags), flags);
		},
		clean: async (flags) => {
			const { clean } = await import("./clean.ts");
			exitCode = clean(context(flags), flags);
		},
		version: async (flags) => {
			const { version } = await import("./version.ts");
			exitCode = version(embedded, flags);
		},
	});
	await parser.parseAsync();
	return exitCode;
}

export function createParser(argv: readonly string[], columns: number, verbs: Verbs) {
	return yargs([...argv])
		.scriptName("virtualghost")
		.usage("$0 [run] [options]\n\nOpens a terminal in a disposable, isolated virtual machine.")
		.option("verbose", { alias: "v", type: "boolean", describe: "Say what is decided and why", global: true })
		.command(["run", "$0"], "Open the terminal (the default)", runOptions, verbs.run)
		.command(
			"config",
			"Show where the configuration is, what is in force, or write an example",
			configOptions,
			verbs.config,
		)
		.command("clean", "Remove extracted files, logs and what was learned about this host", jsonOption, verbs.clean)
		.command("version", "Show the version; with --assets what is inside", versionOptions, verbs.version)
		.version(VERSION)
		.help()
		.alias("help", "h")
		.wrap(columns)
		.strict()
		.recommendCommands()
		.exitProcess(false)
		.fail((message, error) => {
			throw error ?? new Fault(message, { fix: "virtualghost --help shows what there is", exitCode: EXIT.usage });
		});
}

function runOptions(parser: Argv) {
	// Their values are judged by config/, which says more than yargs does and names all problems at once.
	for (const row of CONFIG_ROWS) {
		parser.option(row.flag, {
			type: "string",
			requiresArg: false,
			describe: `${describeFlag(row)} (${row.placeholder})`,
		});
	}
	return parser
		.option("headless-test", {
			type: "boolean",
			default: false,
			describe: "Boot without a window, check everything, report",
		})
		.option("screenshot", { type: "string", describe: "With --headless-test: save the terminal's picture (PNG)" })
		.option("json", { type: "boolean", default: false, describe: "With --headless-test or --dry-run: JSON on stdout" })
		.option("dry-run", { type: "boolean", default: false, describe: "Print QEMU's command line and do nothing" });
}

function jsonOption(parser: Argv) {
	return parser.option("json", { type: "boolean", default: false, describe: "JSON on stdout" });
}

function configOptions(parser: Argv) {
	return jsonOption(parser)
		.option("show", { type: "boolean", default: false, describe: "Effective values and where each comes from" })
		.option("init", { type: "boolean", default: false, describe: "Write a commented example file" });
}

function versionOptions(parser: Argv) {
	return jsonOption(parser).option("assets", { type: "boolean", default: false, describe: "Show what is embedded" });
}
