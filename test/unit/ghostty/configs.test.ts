/** Every configuration in configs/ against its golden file: what Ghostty and the stand-in get, and what was left out and why. `UPDATE_GOLDEN=1` writes them anew. */
import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toFoot } from "../../../src/ghostty/foot.ts";
import { reduce, writeConfig } from "../../../src/ghostty/reduce.ts";
import { CASE_NAMES, collectFiles, readCase } from "./cases.ts";

const GOLDEN = join(import.meta.dir, "golden");

test.each(CASE_NAMES)("%s", (name) => {
	const { files, scheme, fonts } = readCase(name);
	const reduced = reduce(collectFiles(files, { scheme: () => scheme }));
	const foot = toFoot(reduced, { hasFont: (family) => family === "DejaVu Sans Mono" || fonts.includes(family) });
	const dropped = reduced.dropped.map(({ key, where, why }) => `${where}: ${key}: ${why}\n`).join("");
	const parts = [writeConfig(reduced), foot.text, `${foot.notShown.join("\n")}\n`, dropped];
	const text = ["ghostty.conf", "foot.ini", "not in foot.ini", "left out"]
		.map((title, index) => `== ${title}\n${parts[index]}`)
		.join("\n");
	const path = join(GOLDEN, `${name}.txt`);
	if (process.env.UPDATE_GOLDEN) writeFileSync(path, text);
	expect(existsSync(path) ? readFileSync(path, "utf8") : "").toBe(text);
});

test("there are thirty of them, and no golden file is left over", () => {
	expect(CASE_NAMES.length).toBeGreaterThanOrEqual(30);
	expect(readdirSync(GOLDEN).sort()).toEqual(CASE_NAMES.map((name) => `${name}.txt`));
});
