/** An error as the user reads it: what, why, what to do, where to look. */
import { EXIT, Fault } from "../errors.ts";
import { stripControls } from "./terminal-text.ts";

export const DEFECT = "this is a defect of virtualghost, please report it";

export interface FormattedFault {
	readonly text: string;
	readonly exitCode: number;
}

export function formatFault(error: unknown): FormattedFault {
	// Something failed, and then the cleaning up did: the user has to know of both.
	if (error instanceof SuppressedError) {
		const first = formatFault(error.suppressed);
		return { text: `${first.text}\n${formatFault(error.error).text}`, exitCode: first.exitCode };
	}
	if (!(error instanceof Fault)) {
		const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
		return {
			text: stripControls(`virtualghost: ${DEFECT}\n${text}`),
			exitCode: EXIT.failure,
		};
	}
	const { why, fix, log, tail } = error.details;
	const lines = [`virtualghost: ${error.message}`];
	if (why) lines.push(`  why: ${why}`);
	if (fix) lines.push(`  try: ${fix}`);
	if (tail) lines.push("  last lines:", ...tail.split("\n").map((line) => `  | ${line}`));
	if (log) lines.push(`  log: ${log}`);
	return { text: stripControls(lines.join("\n")), exitCode: error.exitCode };
}
