/** What `exec` and `run -- CMD` have in common: their flags, and the command line that they make in the guest. */
import { EXIT, Fault } from "../errors.ts";
import { quoteArgument, quoteCommand } from "../ssh/quote.ts";
import { DEFECT } from "./format-fault.ts";

export interface CommandFlags {
	/** What stood behind `--`. */
	readonly command: readonly (string | Uint8Array)[];
	/** `K=V`; `K` alone takes the value from this environment. */
	readonly env: readonly string[];
	readonly workdir: string | undefined;
	readonly root: boolean;
	readonly tty: boolean;
	/** Hand it on. */
	readonly stdin: boolean;
}

/** As docker: the command was there but could not be started. */
const EXIT_CANNOT_START = 126;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** One line for bash. @throws Fault for a malformed variable or folder; RangeError for a NUL, which no argument can hold. */
export function guestCommandLine(flags: CommandFlags, env: Readonly<Record<string, string | undefined>>): string {
	const steps: string[] = [];
	for (const each of flags.env) {
		const [name = "", ...rest] = each.split("=");
		if (!VARIABLE.test(name)) {
			throw new Fault(`"${each}" is no variable`, { fix: "write --env NAME=value", exitCode: EXIT.usage });
		}
		const value = rest.length > 0 ? rest.join("=") : Object.hasOwn(env, name) ? env[name] : undefined;
		if (value !== undefined) steps.push(`export ${name}=${quoteArgument(value)}`);
	}
	if (flags.workdir !== undefined) {
		steps.push(`cd -- ${quoteArgument(folderArgument(flags.workdir))} || exit ${EXIT_CANNOT_START}`);
	}
	steps.push(`exec -- ${quoteCommand(flags.command)}`);
	return steps.join("; ");
}

/** bash's `cd` takes `-` for the last folder, and looks for relative ones along CDPATH. */
function folderArgument(folder: string): string {
	if (folder === "") throw new Fault("The folder of --workdir is empty", { exitCode: EXIT.usage });
	return folder.startsWith("/") ? folder : `./${folder}`;
}

const INTERRUPTED: readonly number[] = [EXIT.interrupted, EXIT.terminated];

function stackOf(error: unknown): string | undefined {
	return error instanceof Error ? error.stack : undefined;
}

/** As docker: 125 says that the launcher failed, so that no code of the command's can be mistaken for it. */
export async function asLauncher(work: () => Promise<number>): Promise<number> {
	try {
		return await work();
	} catch (error) {
		if (error instanceof Fault && INTERRUPTED.includes(error.exitCode)) throw error;
		const fault = error instanceof Fault ? error : new Fault(DEFECT, { why: String(error), tail: stackOf(error) });
		throw new Fault(fault.message, { ...fault.details, exitCode: EXIT.launcher, cause: error });
	}
}
