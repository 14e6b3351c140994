import { afterAll, describe, expect, test } from "bun:test";
import {
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { untar } from "../../../src/vm/untar.ts";

const work = mkdtempSync(join(tmpdir(), "vg-tar-"));
afterAll(() => rmSync(work, { recursive: true }));
let count = 0;
const fresh = () => {
	const folder = join(work, String(count++));
	mkdirSync(folder);
	return folder;
};

/** By GNU tar, as builds call it. */
function pack(folder: string): Buffer {
	const argv = ["tar", "--create", "--format=ustar", "--sort=name", "--directory", folder, "."];
	const { stdout, exitCode } = Bun.spawnSync(argv);
	expect(exitCode).toBe(0);
	return stdout;
}

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
	for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}

function tree(folder: string): [string, number, string][] {
	const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
	return names.map((name) => {
		const stat = statSync(join(folder, name));
		return [name, stat.mode, stat.isFile() ? readFileSync(join(folder, name), "latin1") : ""];
	});
}

describe("what GNU tar has packed", () => {
	const source = fresh();
	mkdirSync(join(source, "empty"), { mode: 0o755 });
	const deep = join(source, "a".repeat(90), "b".repeat(60));
	mkdirSync(deep, { recursive: true });
	writeFileSync(join(deep, "a program"), Buffer.alloc(70_000, "x"), { mode: 0o755 });
	for (const size of [0, 1, 511, 512, 513, 1024]) writeFileSync(join(source, `${size}`), Buffer.alloc(size, "y"));
	const archive = pack(source);

	test.each([1 << 20, 512, 511, 7, 1])("arrives whole in pieces of %d bytes", async (size) => {
		const folder = fresh();
		await untar(inPieces(archive, size), folder);
		expect(tree(folder)).toEqual(tree(source));
	});

	test("and cut short anywhere is refused", async () => {
		for (const length of [0, 100, 512, 1000, 70_000, archive.length - 10_240]) {
			await expect(untar(inPieces(archive.subarray(0, length), 4096), fresh())).rejects.toThrow();
		}
	});
});

test("a link, and a path that leads out, are refused", async () => {
	const source = fresh();
	symlinkSync("/etc/passwd", join(source, "link"));
	await expect(untar(inPieces(pack(source), 4096), fresh())).rejects.toThrow("neither a file nor a folder");
	const bad = fresh();
	writeFileSync(join(bad, "file"), "x");
	const outside = Bun.spawnSync([
		"tar",
		"-c",
		"--format=ustar",
		"-P",
		"--transform=s,^,../,",
		"-C",
		bad,
		"file",
	]).stdout;
	await expect(untar(inPieces(outside, 4096), fresh())).rejects.toThrow("leads out");
	expect(readdirSync(work).filter((name) => name === "file")).toEqual([]);
});

test("any bytes end in an error or an empty folder", async () => {
	const property = fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), async (bytes) => {
		const folder = fresh();
		const ended = await untar(inPieces(bytes, 512), folder).then(
			() => "well",
			() => "error",
		);
		expect([ended, readdirSync(folder)]).toEqual([expect.any(String), []]);
	});
	await fc.assert(property, { numRuns: 100 });
});
