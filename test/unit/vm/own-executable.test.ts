/** Where the images lie in an executable: what the build appends, and what a start makes of it when something is off. */
import { afterAll, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Manifest } from "../../../src/vm/manifest.ts";
import { IN_PLACE, OwnExecutable } from "../../../src/vm/own-executable.ts";
import {
	decodeTable,
	encodeTable,
	type Part,
	readSamples,
	sampleOffsets,
	tableBytes,
} from "../../../src/vm/part-table.ts";

const folder = mkdtempSync(join(tmpdir(), "vg-own-"));
afterAll(() => rmSync(folder, { recursive: true }));

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

/** A file with its images at odd offsets, and the manifest that describes them. */
function executable(name: string): { path: string; manifest: Manifest; parts: Record<string, Part>; images: Buffer[] } {
	const path = join(folder, name);
	writeFileSync(path, randomBytes(1234));
	const parts: Record<string, Part> = {};
	const images = IN_PLACE.map((asset, index) => {
		const image = randomBytes(50_000 + index * 4096);
		parts[asset] = { offset: statSync(path).size, size: image.length };
		appendFileSync(path, image);
		appendFileSync(path, randomBytes(77));
		return image;
	});
	appendFileSync(path, encodeTable(parts));
	const assets = IN_PLACE.map((asset, index) => {
		const image = images[index] ?? Buffer.alloc(0);
		const sample = readSamples(image.length, (into, offset) => image.copy(into, 0, offset));
		return { name: asset, file: asset, bytes: image.length, sha256: sha256(image), sampleSha256: sha256(sample) };
	});
	return { path, manifest: { assets } as unknown as Manifest, parts, images };
}

const why = (opened: ReturnType<typeof OwnExecutable.open>) => {
	if ("why" in opened) return opened.why;
	opened[Symbol.dispose]();
	return null;
};

describe.skipIf(process.platform !== "linux")("an executable with images", () => {
	test("the places are those of the table, and a part can be hashed whole", () => {
		const { path, manifest, parts, images } = executable("good");
		const opened = OwnExecutable.open(manifest, path);
		if ("why" in opened) throw new Error(opened.why);
		using own = opened;
		expect(own.parts).toEqual(parts as typeof own.parts);
		expect(own.hash("guest")).toBe(sha256(images[1] ?? Buffer.alloc(0)));
	});

	test("it stays open when the file is deleted", () => {
		const { path, manifest, images } = executable("deleted");
		const opened = OwnExecutable.open(manifest, path);
		if ("why" in opened) throw new Error(opened.why);
		using own = opened;
		rmSync(path);
		expect(own.hash("root")).toBe(sha256(images[0] ?? Buffer.alloc(0)));
	});

	test.each<[string, (path: string, parts: Record<string, Part>) => void, string]>([
		["cut short", (path) => truncateSync(path, statSync(path).size - 1), "does not say where"],
		["something appended", (path) => appendFileSync(path, "x"), "does not say where"],
		[
			"a table of another build",
			(path, parts) => appendFileSync(path, encodeTable({ ...parts, root: { offset: 0, size: 50_000 } })),
			"is not where",
		],
		[
			"a table that leads out of the file",
			(path, parts) => appendFileSync(path, encodeTable({ ...parts, root: { offset: 1e9, size: 50_000 } })),
			"does not fit",
		],
		["a table without an image", (path) => appendFileSync(path, encodeTable({})), "does not fit"],
		[
			"a damaged table",
			(path) => {
				const bytes = readFileSync(path);
				bytes[bytes.lastIndexOf("{")] = 0;
				writeFileSync(path, bytes);
			},
			"is damaged",
		],
		[
			"an image whose first block has changed",
			(path, parts) => {
				const bytes = readFileSync(path);
				bytes.fill(0, parts.guest?.offset, (parts.guest?.offset ?? 0) + 100);
				writeFileSync(path, bytes);
			},
			"is not where",
		],
		["nothing there", (path) => rmSync(path), "cannot be read"],
	])("%s: extracted, with the reason", (name, damage, reason) => {
		const { path, manifest, parts } = executable(name.replaceAll(" ", "-"));
		damage(path, parts);
		expect(why(OwnExecutable.open(manifest, path))).toContain(reason);
	});
});

test("a table reads back; other ends of files are none", () => {
	const table = encodeTable({ root: { offset: 7, size: 512 } });
	const tail = table.subarray(-12);
	expect(tableBytes(tail)).toBe(table.length - 12);
	expect(decodeTable(table.subarray(0, -12))).toEqual({ root: { offset: 7, size: 512 } });
	expect(tableBytes(Buffer.alloc(12))).toBeNull();
	expect(tableBytes(Buffer.alloc(3))).toBeNull();
	expect(tableBytes(Buffer.concat([Buffer.alloc(4, 0xff), tail.subarray(4)]))).toBeNull();
	expect(decodeTable(Buffer.from('{"root":{"offset":-1,"size":1}}'))).toBeNull();
	expect(decodeTable(Buffer.from("{"))).toBeNull();
});

test("samples include the first and the last block", () => {
	const offsets = sampleOffsets(1_000_000);
	expect([offsets[0], offsets.at(-1), offsets.length]).toEqual([0, 1_000_000 - 4096, 16]);
	expect(new Set(sampleOffsets(100))).toEqual(new Set([0]));
});
