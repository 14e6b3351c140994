/** The initramfs is a shell script: what it repeats of wire/names.ts is held to it here. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DISK_SERIAL, DRIVER_PACK_OPTION } from "../../../src/wire/names.ts";

const init = readFileSync(join(import.meta.dir, "../../../vm-assets/initramfs/init"), "utf8");

test("the initramfs knows every disk, and waits for the driver pack only where it was promised", () => {
	for (const serial of Object.values(DISK_SERIAL)) expect(init).toContain(`$(wait_for_disk ${serial}) || fatal`);
	const [, branch = ""] = init.split(` ${DRIVER_PACK_OPTION} `);
	expect(branch.slice(0, branch.indexOf("esac"))).toContain(`wait_for_disk ${DISK_SERIAL.drivers})`);
	expect(init.split(`wait_for_disk ${DISK_SERIAL.drivers}`)).toHaveLength(2);
});

test("the pack is the uppermost of the read-only layers, the root file system the lowest", () => {
	expect(init).toContain("layers=/lower/guest:/lower/root\n");
	expect(init).toContain("layers=/lower/drivers:$layers\n");
	expect(init).toContain("-o lowerdir=$layers,");
});
