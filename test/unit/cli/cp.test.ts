/** The verb with real pipes and signals. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PROGRAM = join(import.meta.dir, "cp-program.ts");

let folder: string;
let there: string;

beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "vg-cp-verb-"));
	there = join(folder, "there");
	mkdirSync(there);
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function cp(script: string) {
	const program = `"${process.execPath}" "${PROGRAM}" "${there}"`;
	const { status, stdout, stderr } = spawnSync("bash", ["-c", `cd "${folder}"; ${script.replaceAll("CP", program)}`], {
		maxBuffer: 2 ** 30,
	});
	return { status, stdout, stderr: stderr.toString() };
}

test("files go through pipes unchanged", () => {
	const bytes = randomBytes(3_000_001);
	writeFileSync(join(folder, "file"), bytes);
	expect(cp("cat file | CP - vm:sub")).toMatchObject({ status: 0, stderr: "machine vm\n" });
	expect(readFileSync(join(there, "sub")).equals(bytes)).toBe(true);
	const out = cp("CP :sub - | cat");
	expect(out.stdout.equals(bytes)).toBe(true);
	expect(out.stderr).toBe("machine undefined\n");
});

test("a reader that goes away ends it", () => {
	writeFileSync(join(there, "file"), Buffer.alloc(20_000_000));
	const { status, stdout, stderr } = cp("set -o pipefail; CP :file - | head -c 3");
	expect(status).toBe(1);
	expect(stdout.length).toBe(3);
	expect(stderr).toContain("Standard output was closed");
});

test("what is left out shows in the exit code", () => {
	spawnSync("mkfifo", [join(there, "pipe")]);
	writeFileSync(join(there, "file"), "x");
	const { status, stderr } = cp("CP :. copy");
	expect(status).toBe(1);
	expect(stderr).toContain("virtualghost: warning: pipe was not copied: it is a device, pipe or socket");
	expect(readdirSync(join(folder, "copy"))).toEqual(["file"]);
});

test("Ctrl+C leaves nothing behind", () => {
	writeFileSync(join(there, "file"), "");
	// Sparse, and too large to be copied before the signal.
	truncateSync(join(there, "file"), 2 ** 40);
	const { status, stderr } = cp(
		"CP :file copy & pid=$!; for _ in {1..200}; do ls -A | grep -q virtualghost-cp && break; sleep 0.02; done; kill -INT $pid; wait $pid",
	);
	expect(stderr).toContain("Interrupted by SIGINT");
	expect(status).toBe(130);
	expect(readdirSync(folder)).toEqual(["there"]);
});

test("wrong command lines are said before a machine is asked", () => {
	const { status, stderr } = cp("CP a b");
	expect(status).toBe(2);
	expect(stderr).toStartWith("virtualghost: Neither side is in a machine\n");
});
