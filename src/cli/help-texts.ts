/** The help of every verb, and the version, as `build.ts` puts them into the binary for `quick-answer.ts`. */
import { VERSION } from "../version.ts";
import { createParser, HELP_COLUMNS, VERB_NAMES } from "./parse.ts";

/** Command line (joined by spaces) -> what is printed. */
export async function helpTexts(): Promise<Record<string, string>> {
	const texts: Record<string, string> = { "--version": `${VERSION}\n` };
	for (const verb of ["", ...VERB_NAMES]) {
		const text = `${await helpOf(verb === "" ? [] : [verb])}\n`;
		for (const flag of ["--help", "-h"]) texts[`${verb} ${flag}`.trim()] = text;
	}
	return texts;
}

/** What `words --help` prints, 100 columns wide. */
export function helpOf(words: readonly string[]): Promise<string> {
	const parser = createParser(words, HELP_COLUMNS, () => Promise.reject(new Error("help runs no verb")));
	return new Promise((resolve, reject) => {
		parser.parse([...words, "--help"], (error: Error | undefined, _argv: unknown, output: string) => {
			if (error) reject(error);
			else resolve(output);
		});
	});
}
