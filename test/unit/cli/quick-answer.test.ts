import { expect, test } from "bun:test";
import { helpTexts } from "../../../src/cli/help-texts.ts";
import { createParser, HELP_COLUMNS, VERB_NAMES } from "../../../src/cli/parse.ts";

test("the texts in the binary are what the parser prints", async () => {
	const texts = await helpTexts();
	expect(Object.keys(texts).length).toBe(3 + 2 * VERB_NAMES.length);
	const never = () => Promise.resolve();
	for (const [words, text] of Object.entries(texts)) {
		const argv = words.split(" ");
		const printed = await new Promise<string>((resolve) => {
			createParser(argv, HELP_COLUMNS, never).parse(argv, (_error: Error | undefined, _argv: unknown, output: string) =>
				resolve(output),
			);
		});
		expect(`${printed}\n`).toBe(text);
	}
});

test("no line of help is wider than 100 columns", async () => {
	for (const text of Object.values(await helpTexts())) {
		for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(HELP_COLUMNS);
	}
});
