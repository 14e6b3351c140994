import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import {
	encodeHeader,
	HEAD_BYTES,
	HEADER_BYTES,
	openDriverPack,
	type PackHeader,
	parseHead,
	requireSameKernel,
} from "../../../src/vm/driver-pack.ts";
import type { Manifest } from "../../../src/vm/manifest.ts";
import { faultOf } from "../fault-of.ts";

const folder = mkdtempSync(join(tmpdir(), "vg-pack-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const EROFS = Buffer.from("e2e1f5e0", "hex");

/** The shortest file that is taken for a whole pack. */
const BYTES = HEAD_BYTES;
const HEADER: PackHeader = {
	kernel: "6.12.117+deb13-amd64",
	image: "a".repeat(64),
	modules: "b".repeat(64),
	vendors: ["amd", "nvidia"],
	bytes: BYTES,
};

function packOf(header: PackHeader): Buffer {
	return Buffer.concat([encodeHeader(header), EROFS]);
}

/** A pack whose header is any text. */
function packSaying(text: string): Buffer {
	const head = Buffer.alloc(HEADER_BYTES);
	head.write(text, "latin1");
	return Buffer.concat([head, EROFS]);
}

const hash = fc.stringMatching(/^[0-9a-f]{64}$/);
const headers: fc.Arbitrary<PackHeader> = fc.record({
	kernel: fc.stringMatching(/^[0-9A-Za-z_.+~-]{1,64}$/),
	image: hash,
	modules: hash,
	vendors: fc.array(fc.stringMatching(/^[a-z]{1,16}$/), { maxLength: 8 }),
	bytes: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
});

describe("the head of a pack", () => {
	test("is read as it was written, whatever it says, and fits", () => {
		fc.assert(fc.property(headers, (header) => expect(parseHead(packOf(header), header.bytes)).toEqual(header)));
	});

	test("begins with two lines that a person can read", () => {
		const [first, second, rest] = new TextDecoder().decode(encodeHeader(HEADER)).split("\n");
		expect([first, JSON.parse(second ?? "")]).toEqual(["virtualghost-driver-pack 1", HEADER]);
		expect(rest).toMatch(/^\0*$/);
	});

	test("of any other file gives words, and never throws", () => {
		const size = fc.integer({ min: 0, max: 1 << 20 });
		const text = fc.string({ unit: "binary", maxLength: 900 });
		const files = fc.oneof(
			fc.uint8Array({ maxLength: 2 * HEAD_BYTES }),
			text.map((line) => packSaying(`virtualghost-driver-pack 1\n${line}\n`)),
			fc.json().map((line) => packSaying(`virtualghost-driver-pack 1\n${line.slice(0, 900)}\n`)),
		);
		fc.assert(fc.property(files, size, (head, bytes) => expect(parseHead(head, bytes)).toBeString()));
	});

	test("with one byte changed is refused, or says something else, or is as good as before", () => {
		const good = packOf(HEADER);
		const changed = fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 }));
		fc.assert(
			fc.property(changed, ([at, byte]) => {
				const bad = Buffer.from(good);
				bad[at] = byte;
				const read = parseHead(bad, BYTES);
				if (typeof read === "string") return;
				for (const value of [read.kernel, read.image, ...read.vendors]) expect(value).toMatch(/^[\w.+~-]+$/);
				expect(read.bytes).toBe(BYTES);
			}),
		);
	});

	test.each([
		["an empty file", Buffer.alloc(0), 0, "it is empty"],
		["an EROFS image of somebody else's", Buffer.concat([Buffer.alloc(HEADER_BYTES), EROFS]), BYTES, "no driver pack"],
		["a text", Buffer.from("hello\n"), 6, "does not begin like a driver pack"],
		["a pack of a later format", packSaying("virtualghost-driver-pack 2\n{}\n"), BYTES, "of format 2"],
		["a header without JSON", packSaying("virtualghost-driver-pack 1\n{\n"), BYTES, "header is damaged"],
		["a pack that was cut short", packOf({ ...HEADER, bytes: 97726464 }), BYTES, "1028 bytes in place of 97726464"],
		["a pack that ends in its header", packOf({ ...HEADER, bytes: 1000 }).subarray(0, 1000), 1000, "no EROFS image"],
	])("%s is named for what it is", (_what, head, bytes, words) => {
		expect(parseHead(head, bytes)).toContain(words);
	});
});

describe("a file given by --driver-pack", () => {
	const fileOf = (name: string, content: Uint8Array) => {
		const path = join(folder, name);
		writeFileSync(path, content);
		return path;
	};

	test("is read when it is a pack", () => {
		expect(openDriverPack(fileOf("good", packOf(HEADER)))).toEqual(HEADER);
	});

	test("is an error of use that names it when it is something else", () => {
		mkdirSync(join(folder, "folder"));
		for (const [path, why] of [
			[join(folder, "missing"), "ENOENT"],
			[join(folder, "folder"), "no regular file"],
			[fileOf("empty", new Uint8Array()), "it is empty"],
			[fileOf("noise", new Uint8Array(5000)), "does not begin like"],
		] as const) {
			const fault = faultOf(() => openDriverPack(path));
			expect([fault.message, fault.details.why, fault.exitCode]).toEqual([
				expect.stringContaining(path),
				expect.stringContaining(why),
				2,
			]);
		}
	});
});

describe("the kernel of a pack", () => {
	const manifest: Manifest = {
		schema: 1,
		arch: "x64",
		builder: { virtualghost: "0", bun: "0", commit: null, fast: false },
		distribution: { name: "Debian", version: "13" },
		kernel: { version: HEADER.kernel, modules: HEADER.modules },
		terminal: { name: "foot", version: "1", standIn: true },
		qemu: null,
		assets: [{ name: "kernel", file: "kernel", bytes: 1, sha256: HEADER.image }],
		packages: { root: [], kernel: [], qemu: [] },
	};

	test("may be the launcher's own", () => {
		requireSameKernel(HEADER, manifest, "/p");
	});

	test.each([
		[{ kernel: "6.1.0-40-amd64" }, "for Linux 6.1.0-40-amd64, and this launcher starts Linux 6.12.117+deb13-amd64"],
		[{ image: "c".repeat(64) }, "another build of Linux 6.12.117+deb13-amd64"],
		[{ modules: "c".repeat(64) }, "another build of Linux 6.12.117+deb13-amd64"],
	])("must not be another: %j", (change, why) => {
		const fault = faultOf(() => requireSameKernel({ ...HEADER, ...change }, manifest, "/p"));
		expect([fault.details.why, fault.details.fix, fault.exitCode]).toEqual([
			expect.stringContaining(why),
			expect.stringContaining("just driver-pack"),
			2,
		]);
	});
});
