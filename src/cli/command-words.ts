/** The words behind `--`, as bytes where they are no UTF-8: Bun decodes its arguments and loses those. */
import { readFileSync } from "node:fs";

/** `words` is what yargs found behind `--`, decoded. */
export function commandWords(words: unknown): readonly (string | Uint8Array)[] {
	if (!Array.isArray(words)) return [];
	const texts = words.map(String);
	if (!texts.some((text) => text.includes("\ufffd"))) return texts;
	return rawTail(texts.length) ?? texts;
}

/** The last `count` arguments of this process as the kernel keeps them. Linux only. */
function rawTail(count: number): readonly Uint8Array[] | null {
	try {
		return splitArguments(readFileSync("/proc/self/cmdline")).slice(-count);
	} catch {
		return null;
	}
}

/** `a\0b\0` -> a, b. */
export function splitArguments(cmdline: Uint8Array): Uint8Array[] {
	const words: Uint8Array[] = [];
	let from = 0;
	for (let end = cmdline.indexOf(0); end >= 0; end = cmdline.indexOf(0, from)) {
		words.push(cmdline.slice(from, end));
		from = end + 1;
	}
	return words;
}
