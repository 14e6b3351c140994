/** Writes as children of their own; a FIFO that nobody reads hangs as a device does that somebody uses. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { closeSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLocked } from "../../../src/host/file-lock.ts";
import { identify } from "../../../src/host/processes.ts";
import { WriteProblem, writeSysfs } from "../../../src/vfio/sysfs.ts";

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "vg-sysfs-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const problemOf = (path: string, keep: number | null = null) =>
	writeSysfs(path, "0000:01:00.0", keep, 300).then(
		() => null,
		(error: unknown) => (error instanceof WriteProblem ? error : Promise.reject(error)),
	);

test("writes exactly the text; nothing is written as a newline", async () => {
	const path = join(folder, "attribute");
	writeFileSync(path, "before");
	await writeSysfs(path, "vfio-pci", null);
	expect(readFileSync(path, "utf8")).toBe("vfio-pci");
	await writeSysfs(path, "", null);
	expect(readFileSync(path, "utf8")).toBe("\n");
});

test("an attribute that is not there is not made", async () => {
	const problem = await problemOf(join(folder, "driver/unbind"));
	expect([problem?.kind, problem?.message]).toEqual(["refused", expect.stringContaining("does not exist")]);
});

test("what the kernel says about a refusal is told", async () => {
	const problem = await problemOf("/dev/full");
	expect([problem?.kind, problem?.message]).toEqual(["refused", "/dev/full: No space left on device"]);
});

test("a write that hangs is told in time, left alone, and keeps what it inherited", async () => {
	const fifo = join(folder, "fifo");
	Bun.spawnSync(["mkfifo", fifo]);
	const path = join(folder, "lock");
	const lock = openLocked(path);
	const started = performance.now();
	const problem = await problemOf(fifo, lock);
	expect(performance.now() - started).toBeLessThan(5000);
	expect([problem?.kind, problem?.message]).toEqual(["hung", expect.stringContaining("has not come back for 0.3 s")]);
	const pid = Number(/process (\d+)/.exec(problem?.message ?? "")?.[1]);
	expect(identify(pid)).not.toBeNull();
	closeSync(lock ?? -1);
	expect(openLocked(path)).toBeNull();
	// Now somebody reads, and it ends.
	expect(readFileSync(fifo, "utf8")).toBe("0000:01:00.0");
	while (identify(pid) !== null) await Bun.sleep(5);
	expect(openLocked(path)).not.toBeNull();
});
