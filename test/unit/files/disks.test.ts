import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { isDiskName, parseDiskSpec } from "../../../src/config/disk-spec.ts";
import { Fault } from "../../../src/errors.ts";
import { findDisk, listDisks, openDisk, removeDisk, withDisk } from "../../../src/files/disks.ts";

let data: string;
beforeEach(() => {
	data = join(mkdtempSync(join(tmpdir(), "vg-disks-")), "data");
});
afterEach(() => rmSync(join(data, ".."), { recursive: true }));

describe("NAME[:SIZE]", () => {
	test("is read", () => {
		expect(parseDiskSpec("projects")).toEqual({ name: "projects", sizeMiB: null });
		expect(parseDiskSpec("a.b-c_1:64G")).toEqual({ name: "a.b-c_1", sizeMiB: 65536 });
		expect(parseDiskSpec("x:512")).toEqual({ name: "x", sizeMiB: 512 });
	});

	test("that is wrong says so", () => {
		for (const text of [
			"",
			":1G",
			"../x",
			"a/b",
			"A",
			".hidden",
			"-x",
			"con",
			"nul.txt",
			"x.",
			"a".repeat(64),
			"a b",
			"ä",
		]) {
			expect(() => parseDiskSpec(text)).toThrow("no name for a disk");
		}
		for (const text of ["x:", "x:1", "x:0", "x:5T", "x:lots", "x:-1G", "x:1G:rw"]) {
			expect(() => parseDiskSpec(text)).toThrow("the size of disk x");
		}
	});

	test("never names a file elsewhere", () => {
		fc.assert(
			fc.property(fc.string(), (text) => {
				if (isDiskName(text)) expect(text).not.toMatch(/[/\\:\0]|^\.|^-/);
			}),
		);
	});
});

describe("a disk", () => {
	test("is made once, private, and is the same file later", () => {
		{
			using first = openDisk(data, { name: "d", sizeMiB: 128 });
			expect(first.isNew).toBe(true);
			expect(statSync(first.path).mode & 0o777).toBe(0o600);
			expect(statSync(join(data, "disks")).mode & 0o777).toBe(0o700);
		}
		using second = openDisk(data, { name: "d", sizeMiB: null });
		expect(second.isNew).toBe(false);
		expect(readdirSync(join(data, "disks")).sort()).toEqual([".d.lock", "d.qcow2"]);
	});

	test("is locked while somebody has it", async () => {
		const first = openDisk(data, { name: "d", sizeMiB: 128 });
		expect(() => openDisk(data, { name: "d", sizeMiB: null })).toThrow("The disk d is in use");
		expect(withDisk(data, "d", removeDisk)).rejects.toThrow("The disk d is in use");
		using _other = openDisk(data, { name: "other", sizeMiB: 128 });
		expect(listDisks(data).map(({ name, inUse }) => [name, inUse])).toEqual([
			["d", true],
			["other", true],
		]);
		first[Symbol.dispose]();
		expect(findDisk(data, "d")).toMatchObject({ inUse: false, sizeMiB: 128 });
		await withDisk(data, "d", removeDisk);
		expect(existsSync(first.path)).toBe(false);
	});

	test("of another size, or that is none, is left alone", () => {
		openDisk(data, { name: "d", sizeMiB: 128 })[Symbol.dispose]();
		expect(() => openDisk(data, { name: "d", sizeMiB: 256 })).toThrow("The disk d has 128M, not 256M");
		writeFileSync(join(data, "disks/e.qcow2"), "my letters");
		expect(() => openDisk(data, { name: "e", sizeMiB: null })).toThrow("is no disk of VirtualGhost's");
		// A refusal holds no lock.
		openDisk(data, { name: "d", sizeMiB: 128 })[Symbol.dispose]();
		expect(listDisks(data).map(({ sizeMiB }) => sizeMiB)).toEqual([128, null]);
	});

	test("that is not there is told with those that are", () => {
		openDisk(data, { name: "d", sizeMiB: 128 })[Symbol.dispose]();
		for (const name of ["x", "../d", ""]) {
			try {
				findDisk(data, name);
				throw new Error("found");
			} catch (error) {
				expect(error).toBeInstanceOf(Fault);
				expect((error as Fault).details.fix).toBe("there are: d");
			}
		}
	});
});
