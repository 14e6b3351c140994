/** Entry of the launcher, called by the entry file that `build.ts` generates; holds the one error edge. */

import { formatFault } from "./cli/format-fault.ts";
import { ignoreDeadReaders, printError } from "./cli/output.ts";
import { runCommandLine } from "./cli/parse.ts";
import type { Embedded } from "./vm/assets.ts";

export async function main(embedded: Embedded): Promise<void> {
	ignoreDeadReaders();
	try {
		process.exitCode = await runCommandLine(process.argv.slice(2), embedded, process.env);
	} catch (error) {
		process.exitCode = await reportError(error);
	}
	// A stray handle (a half-open socket, a watcher) must not keep a finished launcher alive.
	await flushed(process.stdout);
	await flushed(process.stderr);
	process.exit();
}

async function reportError(error: unknown): Promise<number> {
	const { text, exitCode } = formatFault(error);
	printError(`${text}\n`);
	const { isStderrUnseen, showErrorDialog } = await import("./cli/dialog.ts");
	if (isStderrUnseen(process.env)) await showErrorDialog(text);
	return exitCode;
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
	return new Promise((resolve) => {
		try {
			stream.write("", () => resolve());
		} catch {
			resolve();
		}
	});
}
