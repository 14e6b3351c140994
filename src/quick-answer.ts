/**
 * Answers `--help` and `--version` from texts made at build time, before any code of the launcher is loaded: loading the
 * parser and the schemas takes ten times as long as starting Bun. A test holds the texts equal to what the parser prints.
 */
import { writeSync } from "node:fs";
import { isatty } from "node:tty";

/** Whether the command line was answered. On a terminal the parser answers, since it knows the width. */
export function answerQuickly(argv: readonly string[], texts: Readonly<Record<string, string>>): boolean {
	const words = argv.join(" ");
	const text = Object.hasOwn(texts, words) ? texts[words] : undefined;
	if (text === undefined || isatty(1)) return false;
	try {
		writeSync(1, text);
	} catch {
		// Nobody reads: `virtualghost --help | head -0`.
	}
	return true;
}
