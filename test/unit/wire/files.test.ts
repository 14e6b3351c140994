/** The guest's side of files is shell scripts: what they repeat of names elsewhere is held to them here. */
import { expect, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { WORK_TARGET } from "../../../src/files/work/collect.ts";
import { GUEST_PATH, GUEST_USER, KEPT_DISK_SERIAL } from "../../../src/wire/names.ts";

const FOLDER = join(import.meta.dir, "../../../vm-assets/guest/overlay/usr/lib/virtualghost");
const script = (name: string) => readFileSync(join(FOLDER, name), "utf8");

test("each disk is found by its serial number", () => {
	expect(script("home-disk")).toContain(`wait_for_disk ${KEPT_DISK_SERIAL.home})`);
	expect(script("work-copy")).toContain(`wait_for_disk ${KEPT_DISK_SERIAL.work})`);
	expect(script("home-disk")).toContain(`home=/home/${GUEST_USER}\n`);
});

test("the work copy is where its users look for it", () => {
	expect(script("work-copy")).toContain(` work ${WORK_TARGET} ||`);
	expect(script("work-collect")).toContain(`"$work/lower" ${WORK_TARGET}\n`);
	expect(script("terminal")).toContain(`mountpoint -q ${WORK_TARGET}; then cd ${WORK_TARGET}`);
	for (const name of ["work-copy", "session"]) expect(script(name)).toContain(`${GUEST_PATH.run}/hold`);
	expect(script("start-session")).toContain(`>${GUEST_PATH.gpu}\n`);
	expect(script("work-collect")).toContain(`exec ${GUEST_PATH.agent}/agent collect `);
});

test("they can be run", () => {
	for (const name of ["home-disk", "share", "share-ready", "start-session", "work-collect", "work-copy", "work-wait"]) {
		expect(statSync(join(FOLDER, name)).mode & 0o111).toBe(0o111);
		expect(Bun.spawnSync(["sh", "-n", join(FOLDER, name)]).exitCode).toBe(0);
	}
});
