/** The command line: verbs and flags by yargs; the flags of `run` come from the configuration's rows. */
import yargs, { type Argv } from "yargs";
import { CONFIG_ROWS } from "../config/schema.ts";
import { EXIT, Fault } from "../errors.ts";
import { VERSION } from "../version.ts";
import type { Embedded } from "../vm/assets.ts";
import { commandWords } from "./command-words.ts";
import { type Context, createContext, type Environment } from "./context.ts";
import * as options from "./options.ts";

/** Flags of any verb as yargs gives them, camel-cased; `command` holds what stood behind `--`. */
type Flags = Readonly<Record<string, unknown>> & { readonly command: readonly (string | Uint8Array)[] };

interface Verb {
	/** As yargs wants it, positionals included; an alias `$0` marks the default. */
	readonly usage: string | readonly string[];
	/** False: no help and no completion knows of it. */
	readonly does: string | false;
	readonly options: (parser: Argv) => Argv;
	/** Each verb is loaded when it is called for: the start must not pay for the others. Resolves with the exit code. */
	readonly run: (context: Context, flags: never) => Promise<number>;
}

/** In the order of `--help`. */
const VERBS: readonly Verb[] = [
	{
		usage: ["run", "$0"],
		does: "Open the terminal (the default); with -- CMD… run a command in a machine of its own",
		options: options.runOptions,
		run: async (context, flags) => (await import("./run.ts")).run(context, flags),
	},
	{
		usage: "shell [name]",
		does: "Open a login shell in a running machine, here",
		options: options.shellOptions,
		run: async (context, flags) => (await import("./shell.ts")).shell(context, flags),
	},
	{
		usage: "exec [name]",
		does: "Run a command in a running machine: exec [name] -- CMD…",
		options: options.execOptions,
		run: async (context, flags) => (await import("./exec.ts")).exec(context, flags),
	},
	{
		usage: "cp <src> <dst>",
		does: "Copy files and folders into or out of a running machine: cp NAME:path .",
		options: options.cpOptions,
		run: async (context, flags) => (await import("./cp.ts")).cp(context, flags),
	},
	{
		usage: "forward [words..]",
		does: "Forward ports of this host to a running machine",
		options: options.forwardOptions,
		run: async (context, flags: { words?: readonly string[] }) => {
			const { forward, splitForwardWords } = await import("./forward.ts");
			return await forward(context, splitForwardWords((flags.words ?? []).map(String)));
		},
	},
	{
		usage: "ssh-config [name]",
		does: "Print what OpenSSH needs: ssh -F <(virtualghost ssh-config) ghost",
		options: options.namePositional,
		run: async (context, flags) => (await import("./ssh-config.ts")).sshConfig(context, flags),
	},
	{
		usage: "ssh-proxy [name]",
		does: "Connect stdin and stdout to a machine's SSH server (for ProxyCommand)",
		options: options.namePositional,
		run: async (context, flags) => (await import("./ssh-proxy.ts")).sshProxy(context, flags),
	},
	{
		usage: "list",
		does: "List the machines that run",
		options: options.jsonOption,
		run: async (context, flags) => (await import("./list.ts")).list(context, flags),
	},
	{
		usage: "stop [name]",
		does: "Shut a machine down",
		options: options.stopOptions,
		run: async (context, flags) => (await import("./stop.ts")).stop(context, flags),
	},
	{
		usage: "logs [name]",
		does: "Show what a machine, its console and QEMU have written",
		options: options.logsOptions,
		run: async (context, flags) => (await import("./logs.ts")).logs(context, flags),
	},
	{
		usage: "screenshot [name]",
		does: "Save what a machine's screen shows (PNG)",
		options: options.screenshotOptions,
		run: async (context, flags) => (await import("./screenshot.ts")).screenshot(context, flags),
	},
	{
		usage: "gpu [action] [bdf]",
		does: "Show the ways to graphics; list, plan, apply, restore: hand a graphics card to the machine (Linux)",
		options: options.gpuOptions,
		run: async (context, flags) => (await import("./gpu.ts")).gpu(context, flags),
	},
	{
		usage: "disk <action> [name] [file]",
		does: "The disks that --disk keeps: list, rm NAME, export NAME FILE",
		options: options.diskOptions,
		run: async (context, flags) => (await import("./disk.ts")).disk(context, flags),
	},
	{
		usage: "work <action> [id]",
		does: "Work copies whose changes were not dealt with: list, recover ID, rm ID",
		options: options.workOptions,
		run: async (context, flags) => (await import("./work.ts")).work(context, flags),
	},
	{
		usage: "prewarm",
		does: "Make the snapshots from which later runs with the same flags start",
		options: options.configFlags,
		run: async (context, flags) => (await import("./prewarm.ts")).prewarm(context, flags),
	},
	{
		usage: "doctor",
		does: "Show what this host offers, what a start would choose, and what would make it better",
		options: options.jsonOption,
		run: async (context, flags) => (await import("./doctor.ts")).doctor(context, flags),
	},
	{
		usage: "config",
		does: "Show where the configuration is, what is in force, or write an example",
		options: options.configOptions,
		run: async (context, flags) => (await import("./config.ts")).config(context, flags),
	},
	{
		usage: "clean",
		does: "Remove extracted files, logs and what was learned about this host",
		options: options.jsonOption,
		run: async (context, flags) => (await import("./clean.ts")).clean(context, flags),
	},
	{
		usage: "verify",
		does: "Compare what is inside, and what was extracted, with the manifest",
		options: options.jsonOption,
		run: async (context, flags) => (await import("./verify.ts")).verify(context, flags),
	},
	{
		usage: "completion <shell>",
		does: "Print a completion script for bash, zsh or fish",
		options: options.completionOptions,
		run: async (context, flags) => (await import("./completion.ts")).completion(context, flags),
	},
	{
		usage: "version",
		does: "Show the version; with --assets what is inside",
		options: options.versionOptions,
		run: async (context, flags) => (await import("./version.ts")).version(context.embedded, flags),
	},
	{
		// For the launcher itself: see host/gl.ts.
		usage: "gl-probe <api>",
		does: false,
		options: (parser) => parser.positional("api", { type: "string", demandOption: true }),
		run: async (_context, flags) => (await import("./gl-probe.ts")).glProbe(flags),
	},
	{
		// For the launcher itself: see vm/network.ts.
		usage: "net-filter <order>",
		does: false,
		options: (parser) => parser.positional("order", { type: "string", demandOption: true }),
		run: async (_context, flags) => (await import("./net-filter.ts")).netFilter(flags),
	},
	{
		usage: "gpu-helper [words..]",
		does: false,
		options: options.gpuHelperOptions,
		run: async () => (await import("./gpu-helper.ts")).gpuHelper(process.argv.slice(2)),
	},
];

export const VERB_NAMES: readonly string[] = VERBS.filter(({ does }) => does !== false).map(({ usage }) =>
	firstWord(usage),
);

/** Those that take a machine's name. */
export const VERBS_WITH_NAME: readonly string[] = [
	...VERBS.filter(({ usage }) => usage.includes("[name]") && !usage.includes("<action>")).map(({ usage }) =>
		firstWord(usage),
	),
	"forward",
];

function firstWord(usage: string | readonly string[]): string {
	return (typeof usage === "string" ? usage : (usage[0] ?? "")).split(" ")[0] ?? "";
}

/** Width of help where nobody says otherwise. */
export const HELP_COLUMNS = 100;

/** Runs the verb that `argv` names and returns the exit code. @throws Fault */
export async function runCommandLine(argv: readonly string[], embedded: Embedded, env: Environment): Promise<number> {
	let exitCode: number = EXIT.ok;
	const columns = Math.min(HELP_COLUMNS, process.stdout.columns ?? HELP_COLUMNS);
	const parser = createParser(argv, columns, async (verb, flags) => {
		const context = createContext(embedded, env, flags.verbose === true);
		exitCode = await verb.run(context, flags as never);
	});
	await parser.parseAsync();
	return exitCode;
}

export function createParser(
	argv: readonly string[],
	columns: number,
	run: (verb: Verb, flags: Flags) => Promise<void>,
) {
	const parser = yargs(hideStreams(argv))
		.scriptName("virtualghost")
		.usage("$0 [run] [options]\n\nOpens a terminal in a disposable, isolated virtual machine.")
		.parserConfiguration({ "populate--": true })
		.option("verbose", { alias: "v", type: "boolean", describe: "Say what is decided and why", global: true });
	for (const verb of VERBS) {
		parser.command(
			verb.usage,
			// Its types forget that false hides a command.
			verb.does as string,
			(each) => verb.options(each),
			async (flags) => {
				refuseRepeated(flags);
				await run(verb, { ...showStreams(flags), command: commandWords(flags["--"]) });
			},
		);
	}
	return parser
		.version(VERSION)
		.help()
		.alias("help", "h")
		.wrap(columns)
		.strict()
		.recommendCommands()
		.exitProcess(false)
		.fail((message, error) => {
			// yargs' own errors, such as that of a flag without its value, are words for the user too.
			if (error && error.name !== "YError") throw error;
			throw new Fault(message || error.message, {
				fix: "virtualghost --help shows what there is",
				exitCode: EXIT.usage,
			});
		});
}

/** Flags that may come more than once; those of the configuration are judged with their values. */
const REPEATABLE: ReadonlySet<string> = new Set([
	"_",
	"--",
	"env",
	"e",
	"mount",
	"publish",
	"p",
	"words",
	...CONFIG_ROWS.map((row) => row.flag),
]);

/** yargs makes an array of anything that is given twice. */
function refuseRepeated(flags: Readonly<Record<string, unknown>>): void {
	for (const [name, value] of Object.entries(flags)) {
		if (!Array.isArray(value) || REPEATABLE.has(name) || /[A-Z]/.test(name)) continue;
		throw new Fault(`--${name} was given more than once`, { exitCode: EXIT.usage });
	}
}

/** yargs takes a word that is one dash, the usual name of a stream, for an empty one. No argument can hold a NUL. */
const STREAM = "\0-";

function hideStreams(argv: readonly string[]): string[] {
	const end = argv.indexOf("--");
	return argv.map((word, i) => (word === "-" && (end < 0 || i < end) ? STREAM : word));
}

function showStreams(flags: Readonly<Record<string, unknown>>): Record<string, unknown> {
	return Object.fromEntries(Object.entries(flags).map(([name, value]) => [name, value === STREAM ? "-" : value]));
}
