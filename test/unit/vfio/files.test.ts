import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { discover } from "../../../src/vfio/discover.ts";
import { type Files, hostFiles } from "../../../src/vfio/files.ts";

let root: string;
let files: Files;

// Links and modes as sysfs has them are no thing of Windows.
const unix = test.skipIf(process.platform === "win32");

beforeAll(() => {
	root = realpathSync(mkdtempSync(join(tmpdir(), "vg-files-")));
	files = hostFiles(root);
	mkdirSync(join(root, "sys/devices/one"), { recursive: true });
	mkdirSync(join(root, "sys/bus"), { recursive: true });
	writeFileSync(join(root, "sys/devices/one/vendor"), "0x1234\n");
	writeFileSync(join(root, "sys/long"), "x".repeat(100_000));
	writeFileSync(join(root, "long"), "x".repeat(100_000));
	if (process.platform === "win32") return;
	symlinkSync("../devices/one", join(root, "sys/bus/one"));
	symlinkSync("../nowhere", join(root, "sys/bus/dangling"));
	symlinkSync("circle", join(root, "sys/bus/circle"));
});

afterAll(() => rmSync(root, { recursive: true }));

test("files are read, up to a limit", () => {
	expect(files.read("/sys/devices/one/vendor")).toBe("0x1234\n");
	expect(files.read("/sys/long")).toHaveLength(64 * 1024);
	expect(files.read("/long")).toHaveLength(100_000);
	expect(files.list("/sys/devices")).toEqual(["one"]);
});

test("what is not there is null", () => {
	expect(files.read("/nothing")).toBeNull();
	expect(files.read("/sys")).toBeNull();
	expect(files.list("/nothing")).toBeNull();
	expect(files.link("/sys/long")).toBeNull();
	expect(files.real("/nothing")).toBeNull();
	expect(files.mayOpen("/nothing")).toBe(false);
	expect(files.read("/nul\0")).toBeNull();
});

unix("links", () => {
	expect(files.link("/sys/bus/one")).toBe("../devices/one");
	expect(files.real("/sys/bus/one/vendor")).toBe("/sys/devices/one/vendor");
	expect(files.link("/sys/bus/dangling")).toBe("../nowhere");
	for (const name of ["dangling", "circle"]) {
		expect(files.real(`/sys/bus/${name}`)).toBeNull();
		expect(files.read(`/sys/bus/${name}`)).toBeNull();
	}
});

unix("a FIFO does not hold the reader up", () => {
	Bun.spawnSync(["mkfifo", join(root, "fifo")]);
	expect(files.read("/fifo") ?? "").toBe("");
});

unix("what may be opened", () => {
	expect(files.mayOpen("/long")).toBe(true);
	chmodSync(join(root, "sys/long"), 0o400);
	expect(files.mayOpen("/sys/long")).toBe(process.getuid?.() === 0);
});

test("this very system is looked at without an error", () => {
	expect(discover(hostFiles()).functions).toBeArray();
});
