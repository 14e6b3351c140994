/** `virtualghost completion bash|zsh|fish`: a script that asks this program, which knows verbs, flags, values and running names. */
import { CONFIG_ROWS } from "../config/schema.ts";
import { EXIT } from "../errors.ts";
import { runningInstances } from "../vm/registry.ts";
import type { Context } from "./context.ts";
import { helpOf } from "./help-texts.ts";
import { GPU_ACTIONS } from "./options.ts";
import { print } from "./output.ts";
import { VERB_NAMES, VERBS_WITH_NAME } from "./parse.ts";

/** In place of a shell's name: print the candidates for the words behind `--`, one a line. For the scripts below. */
export const CANDIDATES = "candidates";

const SCRIPTS: Readonly<Record<string, string>> = {
	bash: `# source <(virtualghost completion bash)
_virtualghost() {
	local IFS=$'\\n'
	COMPREPLY=($(virtualghost completion ${CANDIDATES} -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _virtualghost virtualghost
`,
	zsh: `#compdef virtualghost
# source <(virtualghost completion zsh)
_virtualghost() {
	local -a found
	found=(\${(f)"$(virtualghost completion ${CANDIDATES} -- "\${(@)words[2,$CURRENT]}" 2>/dev/null)"})
	if (( $#found )); then compadd -a found; else _files; fi
}
compdef _virtualghost virtualghost
`,
	fish: `# virtualghost completion fish | source
complete -c virtualghost -a '(virtualghost completion ${CANDIDATES} -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`,
};

export const SHELLS: readonly string[] = Object.keys(SCRIPTS);

export async function completion(
	context: Context,
	flags: { readonly shell: string; readonly command: readonly (string | Uint8Array)[] },
): Promise<number> {
	const script = SCRIPTS[flags.shell];
	if (script !== undefined) print(script);
	else {
		const names = runningInstances(context.directories.runtime).map(({ record }) => record.name);
		const found = await candidates(flags.command.map(String), names);
		print(found.map((each) => `${each}\n`).join(""));
	}
	return EXIT.ok;
}

/** `words` as typed so far, without the program's name; the last one is being typed and may be empty. */
export async function candidates(words: readonly string[], running: readonly string[]): Promise<string[]> {
	const typed = words.at(-1) ?? "";
	const before = words.slice(0, -1);
	// What stands behind -- belongs to the guest.
	if (before.includes("--")) return [];
	const verb = before.find((word) => VERB_NAMES.includes(word));
	return (await allFor(verb, before, typed, running)).filter((each) => each.startsWith(typed)).sort();
}

async function allFor(
	verb: string | undefined,
	before: readonly string[],
	typed: string,
	running: readonly string[],
): Promise<readonly string[]> {
	const choices = CONFIG_ROWS.find((row) => before.at(-1) === `--${row.flag}`)?.choices;
	if (choices) return choices;
	if (typed.startsWith("-")) return await flagsOf(verb);
	if (verb === undefined) return before.length === 0 ? VERB_NAMES : [];
	if (verb === "completion") return SHELLS;
	if (verb === "gpu") return before.at(-1) === "gpu" ? GPU_ACTIONS : [];
	if (verb === "cp") return running.map((name) => `${name}:`);
	const hasName = before.some((word) => running.includes(word));
	return VERBS_WITH_NAME.includes(verb) && !hasName ? running : [];
}

/** Those that `--help` shows, so that no list of flags is kept twice. */
async function flagsOf(verb: string | undefined): Promise<string[]> {
	const help = await helpOf(verb === undefined ? [] : [verb]);
	return [...help.matchAll(/^\s+(?:-\w, )?(--[a-z][a-z-]*)/gm)].map(([, flag = ""]) => flag);
}
