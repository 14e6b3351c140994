import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseOnExit } from "../../../src/cli/on-exit.ts";

test("--on-exit is one of three words, and a patch has a place that is free", () => {
	const folder = mkdtempSync(join(tmpdir(), "vg-on-exit-"));
	try {
		writeFileSync(join(folder, "there"), "");
		expect(parseOnExit("apply")).toEqual({ kind: "apply" });
		expect(parseOnExit("discard")).toEqual({ kind: "discard" });
		expect(parseOnExit(`patch=${folder}/a=b`)).toEqual({ kind: "patch", file: `${folder}/a=b` });
		for (const [text, word] of [
			["", "none of its words"],
			["patch", "none of its words"],
			["patch=", "none of its words"],
			["Apply", "none of its words"],
			[`patch=${folder}/there`, "exists"],
			[`patch=${folder}/no/x`, "There is no folder"],
		] as const) {
			expect(() => parseOnExit(text)).toThrow(word);
		}
	} finally {
		rmSync(folder, { recursive: true });
	}
});
