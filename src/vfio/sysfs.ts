/**
 * Writes to sysfs. Unbinding a device that somebody uses blocks in the kernel until they let go, so each write is a child of its
 * own (`tee`) with a limit of time; one that hangs is reported and left.
 */
import { existsSync } from "node:fs";
import { findTool, runTool } from "./tool.ts";

/** Taking a driver off a graphics card takes seconds, not more. */
const WRITE_TIMEOUT_MS = 10_000;

/** A write that did not happen (`refused`), or of which nobody knows whether it will (`hung`). */
export class WriteProblem extends Error {
	override readonly name = "WriteProblem";
	readonly kind: "refused" | "hung";

	constructor(kind: "refused" | "hung", message: string) {
		super(message);
		this.kind = kind;
	}
}

/**
 * Writes `text` to the attribute at `path`. An attribute is emptied by a newline: nothing at all would be no write.
 *
 * @param keep see `ToolOptions.keep`
 * @throws WriteProblem
 */
export async function writeSysfs(
	path: string,
	text: string,
	keep: number | null,
	timeoutMs = WRITE_TIMEOUT_MS,
): Promise<void> {
	const tee = findTool("tee");
	if (tee === null) throw new WriteProblem("refused", "there is no program tee (coreutils) to write with");
	// tee would try to make it.
	if (!existsSync(path)) throw new WriteProblem("refused", `${path} does not exist`);
	const outcome = await runTool([tee, path], { input: text === "" ? "\n" : text, timeoutMs, keep });
	if (outcome.kind === "failed") throw new WriteProblem("refused", `${path}: ${lastWords(outcome.why)}`);
	if (outcome.kind === "hung") {
		throw new WriteProblem(
			"hung",
			`writing ${text.trim()} to ${path} has not come back for ${timeoutMs / 1000} s: somebody still uses the device (process ${outcome.pid} waits in the kernel)`,
		);
	}
}

/** `tee: /sys/…/unbind: No such device` -> `No such device` */
function lastWords(text: string): string {
	return text.slice(text.lastIndexOf(": ") + 1).trim();
}
