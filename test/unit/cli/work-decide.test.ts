/** The question at the end of a run with a work copy, on a terminal and without one. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listWork, Work } from "../../../src/files/work/store.ts";
import { encodeWorkEntry, WORK_HEADER } from "../../../src/wire/work.ts";
import { LocalTerminal } from "../../vm/local-terminal.ts";

const PROGRAM = join(import.meta.dir, "work-program.ts");
let folder: string;
let data: string;
let root: string;
let id: string;

beforeEach(() => {
	folder = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), "vg-decide-")));
	[data, root] = [join(folder, "data"), join(folder, "project")];
	fs.mkdirSync(root);
	fs.writeFileSync(join(root, "a"), "old\n");
	using work = Work.create(data, root, "quiet-otter");
	id = work.id;
	const entries = [
		encodeWorkEntry({ type: "file", path: "a", mode: 0o644, size: 4, mtime: 0 }),
		"new\n",
		encodeWorkEntry({ type: "file", path: "b\u001b[31m\nx", mode: 0o644, size: 0, mtime: 0 }),
		encodeWorkEntry({ type: "link", path: "l", target: "/etc/passwd" }),
		encodeWorkEntry({ type: "end", entries: 3 }),
	];
	fs.writeFileSync(work.part, `${WORK_HEADER}\n${entries.join("")}`);
	work.keepChanges();
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

const onTerminal = () => new LocalTerminal([process.execPath, PROGRAM, data, id], { PATH: process.env.PATH ?? "" });
const isKept = () => listWork(data).map((each) => each.id);

describe("on a terminal", () => {
	test("what was changed is listed, shown and applied; names cannot speak to the terminal", async () => {
		// Its time of change must lie before that of the copy.
		const path = join(data, "work", id, "work.json");
		fs.writeFileSync(
			path,
			JSON.stringify({ ...JSON.parse(fs.readFileSync(path, "utf8")), startedAt: Date.now() + 1000 }),
		);
		const terminal = onTerminal();
		await terminal.shows("keep for later? [a/p/d/s/K]");
		expect(terminal.screen).toContain("M  a  4 B");
		expect(terminal.screen).toContain("A  b\\u{1b}[31m\\u{a}x  0 B");
		expect(terminal.screen).toContain("refused: l (it leads to an absolute path)");
		expect(terminal.screen).not.toContain("\x1b[31m");
		terminal.type("s\r");
		await terminal.shows("+new");
		terminal.type("a\r");
		await terminal.shows("applied to ");
		expect(await terminal.exited).toBe(0);
		expect(fs.readFileSync(join(root, "a"), "utf8")).toBe("new\n");
		expect(isKept()).toEqual([]);
	}, 30_000);

	test("a patch is saved where nothing is", async () => {
		const terminal = onTerminal();
		await terminal.shows("[a/p/d/s/K]");
		terminal.type("p\r");
		await terminal.shows("file:");
		terminal.type(`${root}/a\r`);
		await terminal.shows("exists");
		terminal.type("p\r");
		await terminal.shows(/file:[\s\S]*file:/);
		terminal.type(`${folder}/x.patch\r`);
		expect(await terminal.exited).toBe(0);
		expect(fs.readFileSync(join(folder, "x.patch"), "utf8")).toContain("-old\n+new\n");
		expect([fs.readFileSync(join(root, "a"), "utf8"), isKept()]).toEqual(["old\n", []]);
	}, 30_000);

	test("nothing said is kept; discard removes it", async () => {
		const keeper = onTerminal();
		await keeper.shows("[a/p/d/s/K]");
		keeper.type("\r");
		await keeper.shows(`virtualghost work recover ${id}`);
		expect(await keeper.exited).toBe(0);
		const gone = onTerminal();
		await gone.shows("[a/p/d/s/K]");
		gone.type("\u0004");
		expect(await gone.exited).toBe(0);
		expect(isKept()).toEqual([id]);
		const discarder = onTerminal();
		await discarder.shows("[a/p/d/s/K]");
		discarder.type("d\r");
		expect(await discarder.exited).toBe(0);
		expect([fs.readFileSync(join(root, "a"), "utf8"), isKept()]).toEqual(["old\n", []]);
	}, 30_000);
});

test("without one: kept, and the line that gets it is told", async () => {
	const child = Bun.spawn([process.execPath, PROGRAM, data, id], { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
	const words = await new Response(child.stderr).text();
	expect([await child.exited, isKept()]).toEqual([0, [id]]);
	expect(words).toContain(`virtualghost work recover ${id}`);
});
