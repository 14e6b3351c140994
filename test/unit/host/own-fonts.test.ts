/** Which font files are handed over: those of the user's that fontconfig names, here with a real fontconfig and a home of our own. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PROGRAM = join(import.meta.dir, "../../../src/host/own-fonts.ts");
let home: string;

beforeAll(() => {
	home = mkdtempSync(join(tmpdir(), "vg-fonts-"));
	mkdirSync(join(home, ".local/share/fonts"), { recursive: true });
});
afterAll(() => rmSync(home, { recursive: true }));

/** In a process of its own: fontconfig looks at $HOME. */
function find(families: readonly string[], path = process.env.PATH ?? ""): { fonts: unknown[]; missing: unknown[] } {
	const script = `const { findOwnFonts } = await import(${JSON.stringify(PROGRAM)});
console.log(JSON.stringify(findOwnFonts(${JSON.stringify(families)}, "linux", ${JSON.stringify(home)})));`;
	const { stdout, stderr } = Bun.spawnSync([process.execPath, "-e", script], { env: { HOME: home, PATH: path } });
	if (stdout.length === 0) throw new Error(stderr.toString());
	return JSON.parse(stdout.toString()) as { fonts: unknown[]; missing: unknown[] };
}

/** Any font of this machine's. */
const SYSTEM_FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf";

test("a font of the system's, and one that is not there, are not handed over", () => {
	expect(find(["DejaVu Sans Mono", "No Such Font"])).toEqual({
		fonts: [],
		missing: [
			{ family: "DejaVu Sans Mono", why: "it is the system's, not a file of yours" },
			{ family: "No Such Font", why: "this host has no such font" },
		],
	});
});

test("a file of the user's is; a link to the system's, and a file that is no font, are not", () => {
	const folder = join(home, ".local/share/fonts");
	const own = join(folder, "DejaVuSansMono-Own.ttf");
	copyFileSync(SYSTEM_FONT, own);
	symlinkSync(SYSTEM_FONT, join(folder, "DejaVuSansMono-Link.ttf"));
	writeFileSync(join(folder, "DejaVuSansMono-Text.ttf"), "no font at all");
	for (const path of [process.env.PATH ?? "", "/nonexistent"]) {
		const { fonts, missing } = find(["DejaVu Sans Mono"], path);
		expect(fonts).toEqual([{ family: "DejaVu Sans Mono", path: own, bytes: Bun.file(SYSTEM_FONT).size }]);
		expect(missing).toEqual([]);
	}
});
