import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import fc from "fast-check";
import { commandWords, splitArguments } from "../../../src/cli/command-words.ts";
import { quoteCommand } from "../../../src/ssh/quote.ts";

const word = fc.uint8Array({ min: 1, maxLength: 20 });

test("what the kernel joins comes apart again", () => {
	fc.assert(
		fc.property(fc.array(word), (words) => {
			const cmdline = Buffer.concat(words.flatMap((each) => [each, Buffer.of(0)]));
			expect(splitArguments(cmdline).map((each) => [...each])).toEqual(words.map((each) => [...each]));
		}),
	);
	expect(splitArguments(Buffer.from(""))).toEqual([]);
	expect(splitArguments(Buffer.from("\0\0")).map((each) => each.length)).toEqual([0, 0]);
});

test("texts stay texts; nothing behind the dashes is no command", () => {
	for (const none of [undefined, null, "ls", 5, {}]) expect(commandWords(none)).toEqual([]);
	expect(commandWords([])).toEqual([]);
	// yargs makes numbers of some words.
	expect(commandWords(["ls", "ü👻", "", 5])).toEqual(["ls", "ü👻", "", "5"]);
});

/** A program of ours, with bytes in its arguments that only a shell can pass. */
function wordsOf(argv: readonly (string | Uint8Array)[]): string[] {
	const program = `
		import { commandWords } from ${JSON.stringify(join(import.meta.dir, "../../../src/cli/command-words.ts"))};
		const words = commandWords(process.argv.slice(process.argv.indexOf("first") + 1));
		console.log(JSON.stringify(words.map((each) => Buffer.from(each).toString("latin1"))));`;
	const { stdout } = spawnSync("/bin/bash", ["-c", quoteCommand([process.execPath, "-e", program, "first", ...argv])]);
	return JSON.parse(stdout.toString());
}

test.skipIf(process.platform !== "linux")("bytes that are no UTF-8 come through", () => {
	const argv = ["cat", Buffer.from([0x66, 0xff, 0xfe]), "ü", "", Buffer.from([0xc3])];
	expect(wordsOf(argv)).toEqual(argv.map((each) => Buffer.from(each).toString("latin1")));
	// The replacement character itself is no reason to lose anything either.
	expect(wordsOf(["\ufffd", "a"])).toEqual([Buffer.from("\ufffd").toString("latin1"), "a"]);
});
