/** Flags of each verb, for yargs. Their values are judged by the verbs, which say more than yargs does. */
import type { Argv } from "yargs";
import { CONFIG_ROWS, describeFlag } from "../config/schema.ts";
import { LOG_FILE } from "../vm/logs.ts";

/** Judged by config/, which names all problems at once. */
export function configFlags(parser: Argv) {
	for (const row of CONFIG_ROWS) {
		parser.option(row.flag, {
			type: "string",
			requiresArg: false,
			describe: `${describeFlag(row)} (${row.placeholder})`,
		});
	}
	return parser;
}

const ON_EXIT = "What becomes of the work copy's changes, unasked: apply, discard, patch=FILE";

export function runOptions(parser: Argv) {
	return commandOptions(configFlags(parser))
		.option("name", { type: "string", describe: "Name of the machine [default: two friendly words]" })
		.option("detach", {
			alias: "d",
			type: "boolean",
			default: false,
			describe: "Leave the machine running in the background, print its name",
		})
		.option("publish", {
			alias: "p",
			type: "string",
			array: true,
			nargs: 1,
			default: [],
			describe: "Forward a port of this host: [ip:]host:guest",
		})
		.option("mount", {
			type: "string",
			array: true,
			nargs: 1,
			default: [],
			describe: "Show a folder of this host in the machine: FOLDER:/path (read-only), FOLDER:/path:rw",
		})
		.option("work", {
			type: "string",
			describe: "Work on a copy of this folder (/work in the machine); what was changed is shown in the end",
		})
		.option("on-exit", { type: "string", describe: ON_EXIT })
		.option("yes-mount-home", {
			type: "boolean",
			default: false,
			describe: "Let --mount and --work give away the home directory, or what holds it",
		})
		.option("force", {
			type: "boolean",
			default: false,
			describe: "With --gpu and a card's address: in spite of the obstacles that may be overridden",
		})
		.option("cold", { type: "boolean", default: false, describe: "Boot, even if there is a snapshot; make none" })
		.option("rm", { type: "boolean", default: false, describe: "As for docker; a machine is always removed" })
		.option("headless-test", {
			type: "boolean",
			default: false,
			describe: "Boot without a window, check everything, report",
		})
		.option("screenshot", { type: "string", describe: "With --headless-test: save the terminal's picture (PNG)" })
		.option("json", { type: "boolean", default: false, describe: "With --headless-test or --dry-run: JSON on stdout" })
		.option("dry-run", { type: "boolean", default: false, describe: "Print QEMU's command line and do nothing" });
}

function commandOptions(parser: Argv) {
	return parser
		.option("env", {
			alias: "e",
			type: "string",
			array: true,
			nargs: 1,
			default: [],
			describe: "With a command: set a variable, NAME=value (NAME alone: its value here)",
		})
		.option("workdir", { alias: "w", type: "string", describe: "With a command: folder to start it in" })
		.option("root", { type: "boolean", default: false, describe: "With a command: as root" })
		.option("tty", { alias: "t", type: "boolean", default: false, describe: "With a command: on a terminal" })
		.option("stdin", { type: "boolean", default: true, describe: "With a command: hand stdin on (--no-stdin: none)" });
}

export function namePositional(parser: Argv) {
	return parser.positional("name", { type: "string", describe: "Name of the machine (not needed if only one runs)" });
}

export function execOptions(parser: Argv) {
	return commandOptions(namePositional(parser));
}

export function shellOptions(parser: Argv) {
	return namePositional(parser).option("root", { type: "boolean", default: false, describe: "As root" });
}

export function cpOptions(parser: Argv) {
	return parser
		.positional("src", {
			type: "string",
			demandOption: true,
			describe: "NAME:path in a machine, a path here, or - for stdin",
		})
		.positional("dst", { type: "string", demandOption: true, describe: "The other one of both; - for stdout" });
}

export function jsonOption(parser: Argv) {
	return parser.option("json", { type: "boolean", default: false, describe: "JSON on stdout" });
}

export function stopOptions(parser: Argv) {
	return namePositional(parser)
		.option("force", { alias: "f", type: "boolean", default: false, describe: "At once, without asking the guest" })
		.option("all", { type: "boolean", default: false, describe: "Every machine" });
}

export function logsOptions(parser: Argv) {
	return namePositional(parser)
		.option("follow", { alias: "f", type: "boolean", default: false, describe: "Go on until the machine ends" })
		.option("only", { type: "string", choices: Object.keys(LOG_FILE), describe: "One log of them" });
}

export function screenshotOptions(parser: Argv) {
	return namePositional(parser).option("output", {
		alias: "o",
		type: "string",
		demandOption: true,
		requiresArg: true,
		describe: "File to write, - for stdout",
	});
}

export function forwardOptions(parser: Argv) {
	return parser.positional("words", {
		type: "string",
		array: true,
		describe: "Name of the machine, and ports: [ip:]host:guest",
	});
}

export const DISK_ACTIONS = ["list", "rm", "export"] as const;

export function diskOptions(parser: Argv) {
	return jsonOption(parser)
		.positional("action", {
			type: "string",
			choices: DISK_ACTIONS,
			demandOption: true,
			describe: "list them, rm (remove one), export (copy one to a qcow2 file)",
		})
		.positional("name", { type: "string", describe: "Name of the disk" })
		.positional("file", { type: "string", describe: "With export: file to write" });
}

export const WORK_ACTIONS = ["list", "recover", "rm"] as const;

export function workOptions(parser: Argv) {
	return jsonOption(parser)
		.positional("action", {
			type: "string",
			choices: WORK_ACTIONS,
			demandOption: true,
			describe: "list them, recover (show and decide), rm (discard)",
		})
		.positional("id", { type: "string", describe: "Which one" })
		.option("on-exit", { type: "string", describe: ON_EXIT });
}

export function completionOptions(parser: Argv) {
	return parser.positional("shell", {
		type: "string",
		demandOption: true,
		// The last one is for the scripts.
		choices: ["bash", "zsh", "fish", "candidates"],
		describe: "Your shell",
	});
}

export function configOptions(parser: Argv) {
	return jsonOption(parser)
		.option("show", { type: "boolean", default: false, describe: "Effective values and where each comes from" })
		.option("init", { type: "boolean", default: false, describe: "Write a commented example file" });
}

export const GPU_ACTIONS = ["list", "plan", "apply", "restore"] as const;

export function gpuOptions(parser: Argv) {
	return jsonOption(parser)
		.positional("action", {
			type: "string",
			choices: GPU_ACTIONS,
			describe: "list the cards, plan (show what apply does), apply (hand over), restore (give back)",
		})
		.positional("bdf", { type: "string", describe: "The card's address: 01:00.0 or 0000:01:00.0" })
		.option("force", {
			type: "boolean",
			default: false,
			describe: "With apply: in spite of the obstacles that may be overridden",
		});
}

export function versionOptions(parser: Argv) {
	return jsonOption(parser)
		.option("assets", { type: "boolean", default: false, describe: "Show what is embedded" })
		.option("sbom", {
			type: "boolean",
			default: false,
			describe: "Every package inside with its licences (CycloneDX JSON)",
		});
}

/** The verb itself reads the command line, and refuses what is not of its grammar. */
export function gpuHelperOptions(parser: Argv) {
	return parser
		.positional("words", { type: "string", array: true })
		.option("force", { type: "boolean", default: false });
}
