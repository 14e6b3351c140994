/** Changes of a work copy: from three folders, through the stream, into the folder. The same with a real overlay: test/vm/files.test.ts. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { collectWork } from "../../../agent/collect.ts";
import { applyChanges } from "../../../src/files/work/apply.ts";
import { BadStream, Judge, pathProblem, readChanges } from "../../../src/files/work/changes.ts";
import { listChanges } from "../../../src/files/work/present.ts";
import { encodeWorkEntry, WORK_HEADER, type WorkEntry } from "../../../src/wire/work.ts";
import { picture, randomEdit, randomNumbers } from "./trees.ts";

let folder: string;
let stream: string;

beforeEach(() => {
	folder = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), "vg-work-")));
	stream = join(folder, "changes");
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

/** Long after everything that a test has made. */
const LATER = Date.now() + 3_600_000;

function apply(root: string, since = LATER) {
	return applyChanges(readChanges(stream).changes, { root, stream, since, id: "test" });
}

/** Entries as an honest guest would frame them; a file's content is as long as it says. */
function writeStream(
	entries: readonly Exclude<WorkEntry, { type: "end" }>[],
	header = WORK_HEADER,
	end = entries.length,
): void {
	const parts = entries.map((entry) => encodeWorkEntry(entry) + (entry.type === "file" ? "x".repeat(entry.size) : ""));
	fs.writeFileSync(stream, `${header}\n${parts.join("")}${encodeWorkEntry({ type: "end", entries: end })}`, "latin1");
}

describe("what was changed", () => {
	test("is what makes the one tree into the other, after any edits", () => {
		for (let seed = 1; seed <= 300; seed++) {
			const random = randomNumbers(seed);
			const [base, merged] = [join(folder, `base-${seed}`), join(folder, `merged-${seed}`)];
			fs.mkdirSync(base);
			for (let i = 0; i < 15; i++) randomEdit(base, random);
			fs.cpSync(base, merged, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
			for (const name of Object.keys(picture(base))) {
				const stat = fs.lstatSync(join(base, name));
				if (!stat.isSymbolicLink()) fs.chmodSync(join(merged, name), stat.mode & 0o777);
			}
			for (let i = 0; i < 15; i++) randomEdit(merged, random);
			// As if everything had been touched: what an overlay's upper layer leaves out is the same in both.
			const file = fs.openSync(stream, "w");
			collectWork({ upper: merged, lower: base, merged }, (bytes) => void fs.writeSync(file, bytes));
			fs.closeSync(file);
			const applied = apply(base);
			expect([applied.conflicts, applied.failed]).toEqual([[], []]);
			expect(picture(base)).toEqual(picture(merged));
			// Once more changes nothing.
			expect(apply(base).failed).toEqual([]);
			expect(picture(base)).toEqual(picture(merged));
			expect(listChanges(readChanges(stream), base).filter(({ sign }) => sign !== "M")).toEqual([]);
		}
	}, 120_000);

	test("names of any bytes, empty files, devices and pipes", () => {
		const [base, merged] = [join(folder, "base"), join(folder, "merged")];
		fs.mkdirSync(base);
		fs.mkdirSync(merged);
		const odd = Buffer.concat([Buffer.from(`${merged}/`), Buffer.from([0xff, 0x0a, 0x22, 0x80])]);
		fs.writeFileSync(odd as never, "");
		expect(Bun.spawnSync(["mkfifo", join(merged, "pipe")]).exitCode).toBe(0);
		const file = fs.openSync(stream, "w");
		collectWork({ upper: merged, lower: base, merged }, (bytes) => void fs.writeSync(file, bytes));
		fs.closeSync(file);
		expect(readChanges(stream).refused).toEqual([{ path: "pipe", why: "it is a device, pipe or socket" }]);
		expect(apply(base)).toEqual({ done: 1, conflicts: [], failed: [] });
		const names = fs.readdirSync(base as never, { encoding: "buffer" } as never) as unknown as Buffer[];
		expect(names.map((each) => each.toString("hex"))).toEqual(["ff0a2280"]);
	});
});

describe("a hostile stream", () => {
	test("leads to nothing outside, and every entry that would is listed", () => {
		const root = join(folder, "root");
		fs.mkdirSync(join(root, "real"), { recursive: true });
		fs.mkdirSync(join(folder, "outside"));
		fs.writeFileSync(join(folder, "outside/secret"), "secret");
		fs.symlinkSync("../outside", join(root, "out"));
		const file = (path: string, mode = 0o644): WorkEntry & { type: "file" } => ({
			type: "file",
			path,
			mode,
			size: 3,
			mtime: 0,
		});
		writeStream([
			file("../outside/secret"),
			file("/etc/virtualghost-test"),
			file("real/../../outside/secret"),
			file("./x"),
			file("a//b"),
			{ type: "gone", path: "../outside" },
			{ type: "folder", path: "..", mode: 0o777 },
			// A folder here by its word, a link in truth.
			{ type: "folder", path: "out", mode: 0o777 },
			file("out/secret"),
			file("out/new"),
			{ type: "link", path: "l1", target: "/etc" },
			{ type: "link", path: "l2", target: "../outside" },
			{ type: "link", path: "l3", target: "real/../../outside" },
			file("l1/passwd"),
			file("nowhere/x"),
			file("setuid", 0o4755),
			{ type: "folder", path: "real", mode: 0o2755 },
			{ type: "link", path: "real/ok", target: "../file" },
			{ type: "refused", path: "zero", why: "it is a device, pipe or socket" },
			file("file"),
		]);
		const { refused } = readChanges(stream);
		expect(refused.map(({ path }) => path)).toEqual([
			"../outside/secret",
			"/etc/virtualghost-test",
			"real/../../outside/secret",
			"./x",
			"a//b",
			"../outside",
			"..",
			"l1",
			"l2",
			"l3",
			"l1/passwd",
			"nowhere/x",
			"setuid",
			"real",
			"zero",
		]);
		const applied = apply(root);
		expect(applied.done).toBe(3);
		expect([...applied.conflicts, ...applied.failed].map(({ path }) => path)).toEqual(["out", "out/secret", "out/new"]);
		expect(picture(join(folder, "outside"))).toEqual({
			secret: expect.stringContaining(Buffer.from("secret").toString("hex")),
		});
		expect(Object.keys(picture(root)).sort()).toEqual(["file", "out", "real", "real/ok"]);
		expect(fs.existsSync("/etc/virtualghost-test")).toBe(false);
	});

	test("that is none, or not whole, is refused altogether", () => {
		const one: WorkEntry = { type: "file", path: "a", mode: 0o644, size: 5, mtime: 0 };
		const whole = () => writeStream([one]);
		whole();
		const text = fs.readFileSync(stream);
		expect(readChanges(stream).changes).toHaveLength(1);
		for (let length = 0; length < text.length; length++) {
			fs.writeFileSync(stream, text.subarray(0, length));
			expect(() => readChanges(stream)).toThrow(BadStream);
		}
		fs.writeFileSync(stream, Buffer.concat([text, Buffer.from("x")]));
		expect(() => readChanges(stream)).toThrow("something follows its end");
		for (const write of [
			() => writeStream([one], '{"virtualghost-work":2}'),
			() => writeStream([one], WORK_HEADER, 2),
			() => writeStream([one, one]),
			() =>
				writeStream([
					{ type: "gone", path: "a" },
					{ type: "gone", path: "a" },
				]),
			() => writeStream([one, { type: "gone", path: "a" }]),
			() => fs.writeFileSync(stream, `${WORK_HEADER}\n${"x".repeat(100_000)}\n`),
			() =>
				fs.writeFileSync(
					stream,
					`${WORK_HEADER}\n{"type":"file","path":"a","mode":420,"size":9007199254740991,"mtime":0}\nx`,
				),
			() =>
				fs.writeFileSync(
					stream,
					`${WORK_HEADER}\n{"type":"file","path":"a","mode":420,"size":1,"mtime":0,"more":1}\nx`,
				),
		]) {
			write();
			expect(() => readChanges(stream)).toThrow(BadStream);
		}
	});

	test("of any bytes is a list of changes or refused", () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, hasHeader) => {
				fs.writeFileSync(stream, Buffer.concat([Buffer.from(hasHeader ? `${WORK_HEADER}\n` : ""), bytes]));
				expect(() => readChanges(stream)).toThrow(BadStream);
			}),
		);
	});

	test("whatever it says, what may be applied has a path inside", () => {
		const part = fc.constantFrom("a", "b", "..", ".", "", "c", "\0");
		const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
		const entry = fc.oneof(
			fc.record({ type: fc.constant("gone" as const), path }),
			fc.record({ type: fc.constant("folder" as const), path, mode: fc.constant(0o755) }),
			fc.record({ type: fc.constant("link" as const), path, target: path }),
			fc.record({
				type: fc.constant("file" as const),
				path,
				mode: fc.integer({ min: 0, max: 0o7777 }),
				size: fc.nat(),
				mtime: fc.nat(),
			}),
			fc.record({ type: fc.constant("refused" as const), path, why: fc.string() }),
		);
		fc.assert(
			fc.property(fc.array(entry), (entries) => {
				const judge = new Judge();
				try {
					for (const each of entries) judge.take(each, 0);
				} catch (error) {
					expect(error).toBeInstanceOf(BadStream);
				}
				const folders = new Set<string>();
				for (const each of judge.changes) {
					expect(pathProblem(each.path)).toBeNull();
					if (each.type === "file") expect(each.mode & 0o6000).toBe(0);
					if (each.type === "folder") folders.add(each.path);
					const slash = each.path.lastIndexOf("/");
					if (slash >= 0) expect(folders).toContain(each.path.slice(0, slash));
				}
			}),
			{ numRuns: 1000 },
		);
	});
});

describe("what the host has changed meanwhile", () => {
	test("is not overwritten and not removed, but for the same change", async () => {
		const root = join(folder, "root");
		fs.mkdirSync(join(root, "d/e"), { recursive: true });
		for (const name of ["mine", "same", "theirs", "gone", "d/e/mine", "d/theirs"])
			fs.writeFileSync(join(root, name), "old");
		await Bun.sleep(20);
		const since = Date.now();
		await Bun.sleep(20);
		for (const name of ["mine", "gone", "d/e/mine"]) fs.writeFileSync(join(root, name), "host");
		fs.writeFileSync(join(root, "same"), "xxx");
		fs.mkdirSync(join(root, "new"));
		const file = (path: string): WorkEntry & { type: "file" } => ({
			type: "file",
			path,
			mode: 0o644,
			size: 3,
			mtime: 0,
		});
		writeStream([
			file("mine"),
			file("same"),
			file("theirs"),
			file("new"),
			{ type: "gone", path: "gone" },
			{ type: "gone", path: "d" },
		]);
		const { done, conflicts, failed } = apply(root, since);
		expect(conflicts.map(({ path }) => path)).toEqual(["mine", "new", "gone", "d"]);
		expect([done, failed]).toEqual([2, []]);
		const read = (name: string) => fs.readFileSync(join(root, name), "utf8");
		expect([read("mine"), read("same"), read("theirs"), read("gone"), read("d/e/mine")]).toEqual([
			"host",
			"xxx",
			"xxx",
			"host",
			"host",
		]);
		// What nobody here has touched went with the folder.
		expect(fs.existsSync(join(root, "d/theirs"))).toBe(false);
	});

	test("an apply that was killed is done again, and leaves no temporary file", () => {
		const root = join(folder, "root");
		fs.mkdirSync(root);
		fs.writeFileSync(join(root, ".virtualghost-work-test"), "half");
		writeStream([{ type: "file", path: "a", mode: 0o644, size: 3, mtime: 0 }]);
		expect(apply(root)).toEqual({ done: 1, conflicts: [], failed: [] });
		expect(fs.readdirSync(root)).toEqual(["a"]);
	});
});
