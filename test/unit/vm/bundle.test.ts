import { afterAll, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unpackBundle } from "../../../src/vm/bundle.ts";

const work = mkdtempSync(join(tmpdir(), "vg-bundle-"));
afterAll(() => rmSync(work, { recursive: true }));
const folder = join(work, "unpacked");
beforeEach(() => rmSync(folder, { recursive: true, force: true }));

/** A bundle with a program of 20 MB that does not compress. */
function bundle(program: string): Blob {
	const source = mkdtempSync(join(work, "source-"));
	mkdirSync(join(source, "bin"));
	writeFileSync(join(source, "bin", program), crypto.getRandomValues(Buffer.alloc(65_536)).toString("hex").repeat(160));
	const { stdout } = Bun.spawnSync(["tar", "-C", source, "-c", "--format=ustar", "."]);
	return new Blob([Bun.zstdCompressSync(stdout)]);
}

test("is unpacked, and tells how far it is", async () => {
	const archive = bundle("qemu-system-x86_64");
	const told: number[] = [];
	await unpackBundle(archive, folder, (bytes) => told.push(bytes));
	expect(told.at(-1)).toBe(archive.size);
	expect(readFileSync(join(folder, "bin/qemu-system-x86_64")).length).toBe(65_536 * 2 * 160);
});

test("whoever is told can end it", async () => {
	const ended = unpackBundle(bundle("qemu-system-x86_64"), folder, () => {
		throw new Error("enough");
	});
	await expect(ended).rejects.toThrow("enough");
});

test("another archive, garbage, and a cut one are errors", async () => {
	await expect(unpackBundle(bundle("other"), folder)).rejects.toThrow("incomplete");
	rmSync(folder, { recursive: true });
	await expect(unpackBundle(new Blob([Buffer.alloc(5000, 7)]), folder)).rejects.toThrow();
	rmSync(folder, { recursive: true });
	const archive = bundle("qemu-system-x86_64");
	await expect(unpackBundle(archive.slice(0, archive.size / 2), folder)).rejects.toThrow();
});
