import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Tail } from "../../../src/cli/logs.ts";

let folder: string;
let path: string;
let tail: Tail;
const read = () => [...tail.read()].join("");

beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "vg-logs-"));
	path = join(folder, "serial.log");
	tail = new Tail(path);
});
afterEach(() => {
	tail.close();
	rmSync(folder, { recursive: true });
});

test("what is there, then what comes, once; a file may come later", () => {
	expect(read()).toBe("");
	writeFileSync(path, "one\n");
	expect([read(), read()]).toEqual(["one\n", ""]);
	appendFileSync(path, "two\n");
	expect(read()).toBe("two\n");
});

test("a log that starts over loses nothing, however far the new one has got", () => {
	writeFileSync(path, "first\n");
	expect(read()).toBe("first\n");
	appendFileSync(path, "end of the old one\n");
	renameSync(path, `${path}.old`);
	writeFileSync(path, `new ${"x".repeat(100_000)}\n`);
	expect(read()).toBe(`end of the old one\nnew ${"x".repeat(100_000)}\n`);
	expect(read()).toBe("");
});

test("a character that is cut in two comes out whole", () => {
	const bytes = Buffer.from("ü\n");
	writeFileSync(path, bytes.subarray(0, 1));
	expect(read()).toBe("");
	appendFileSync(path, bytes.subarray(1));
	expect(read()).toBe("ü\n");
});
