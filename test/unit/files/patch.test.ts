/** Patches are judged by git. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { unifiedHunks } from "../../../src/files/work/diff.ts";
import { type Blob, gitPatch } from "../../../src/files/work/patch.ts";

let folder: string;
beforeEach(() => {
	folder = fs.mkdtempSync(join(tmpdir(), "vg-patch-"));
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

function put(path: string, blob: Blob | null): void {
	fs.rmSync(path as never, { force: true });
	if (!blob) return;
	if (blob.kind === "link") fs.symlinkSync(blob.content as never, path);
	else fs.writeFileSync(path, blob.content, { mode: blob.isExecutable ? 0o755 : 0o644 });
}

/** What `git apply` makes of the one state with our patch to the other. */
function applied(name: string, before: Blob | null, after: Blob | null): void {
	const path = join(folder, name);
	put(path, before);
	const patch = gitPatch(Buffer.from(name).toString("latin1"), before, after);
	if (patch !== "") {
		fs.writeFileSync(join(folder, ".patch"), patch);
		const env = { PATH: process.env.PATH ?? "", HOME: folder, GIT_CEILING_DIRECTORIES: folder };
		const git = Bun.spawnSync(["git", "apply", "--whitespace=nowarn", ".patch"], { cwd: folder, env });
		if (git.exitCode !== 0) throw new Error(`${git.stderr.toString()}\n${patch}`);
	}
	const stat = fs.lstatSync(path, { throwIfNoEntry: false });
	if (!after) return expect(stat).toBeUndefined();
	const content = stat?.isSymbolicLink() ? Buffer.from(fs.readlinkSync(path)) : fs.readFileSync(path);
	expect([stat?.isSymbolicLink(), content.toString("hex")]).toEqual([
		after.kind === "link",
		after.content.toString("hex"),
	]);
	if (after.kind === "file") expect(((stat?.mode ?? 0) & 0o100) !== 0).toBe(after.isExecutable);
}

const file = (text: string | Buffer, isExecutable = false): Blob => ({
	kind: "file",
	isExecutable,
	content: Buffer.from(text as string),
});
const link = (target: string): Blob => ({ kind: "link", isExecutable: false, content: Buffer.from(target) });

describe("git apply takes", () => {
	test("new, changed and deleted files, links, modes and changes of kind, under any name", () => {
		const long = Array.from({ length: 300 }, (_, i) => `line ${i}\n`);
		const edited = long.with(3, "changed\n").with(150, "changed too\n").toSpliced(200, 5);
		for (const [before, after] of [
			[null, file("new\n")],
			[null, file("")],
			[null, file("no end")],
			[file("a\nb\n"), file("a\nb")],
			[file("a"), null],
			[file(""), null],
			[file(""), file("x\n")],
			[file(long.join("")), file(edited.join(""))],
			[file("same\n"), file("same\n", true)],
			[file("a\n"), file("b\n", true)],
			[null, file(Buffer.from([0, 1, 2, 255]))],
			[file(Buffer.from([0, 1, 2, 255])), file(Buffer.from("now text\n"))],
			[file(Buffer.alloc(10_000, 7)), file(Buffer.alloc(20_000, 8), true)],
			[file(Buffer.from([0])), null],
			[file(Buffer.from([0xff, 0xfe, 10])), file(Buffer.from([0xff, 10]))],
			[null, link("a/b")],
			[link("a"), link("b")],
			[link("a"), file("text\n")],
			[file("text\n"), link("../x")],
			[link("a"), null],
		] as const) {
			for (const name of ["plain", 'with "quotes" and \\', "ümläut\tand tab", " space "]) applied(name, before, after);
		}
	}, 60_000);

	test("any two texts", () => {
		const line = fc.constantFrom("a\n", "b\n", "c\n", "\n", "d\n");
		const text = fc
			.tuple(fc.array(line, { maxLength: 40 }), fc.constantFrom("", "end"))
			.map(([lines, end]) => lines.join("") + end);
		fc.assert(
			fc.property(text, text, (before, after) => applied("f", file(before), file(after))),
			{ numRuns: 200 },
		);
	}, 60_000);
});

test("very different and very large texts take no time", () => {
	const lines = (seed: number) => Array.from({ length: 30_000 }, (_, i) => `${(i * seed) % 7919}\n`).join("");
	const started = performance.now();
	expect(unifiedHunks(lines(3), lines(5)).length).toBeGreaterThan(0);
	expect(performance.now() - started).toBeLessThan(5000);
});
