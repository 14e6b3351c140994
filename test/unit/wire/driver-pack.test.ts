/** The initramfs is a shell script: what it repeats of wire/names.ts is held to it here. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DISK_SERIAL, DRIVER_PACK_OPTION, GUEST_PATH, LOOK_OPTION } from "../../../src/wire/names.ts";

const init = readFileSync(join(import.meta.dir, "../../../vm-assets/initramfs/init"), "utf8");

test("the initramfs knows every disk, and waits for the driver pack only where it was promised", () => {
	const needed = [DISK_SERIAL.root, DISK_SERIAL.guest, DISK_SERIAL.drivers];
	for (const serial of needed) expect(init).toContain(`$(wait_for_disk ${serial}) || fatal`);
	expect(Object.values(DISK_SERIAL).filter((serial) => !init.includes(`wait_for_disk ${serial})`))).toEqual([]);
	const [, branch = ""] = init.split(` ${DRIVER_PACK_OPTION} `);
	expect(branch.slice(0, branch.indexOf("esac"))).toContain(`wait_for_disk ${DISK_SERIAL.drivers})`);
	expect(init.split(`wait_for_disk ${DISK_SERIAL.drivers}`)).toHaveLength(2);
});

test("the terminal's look is unpacked where it was promised, and where the session looks for it", () => {
	const [, branch = ""] = init.split(` ${LOOK_OPTION} `);
	expect(branch.slice(0, branch.indexOf("esac"))).toContain(`wait_for_disk ${DISK_SERIAL.look})`);
	const terminal = readFileSync(
		join(import.meta.dir, "../../../vm-assets/guest/overlay/usr/lib/virtualghost/terminal"),
		"utf8",
	);
	const [, folder = ""] = /^look=(.*)$/m.exec(terminal) ?? [];
	const looked: string[] = [GUEST_PATH.lookGhostty, GUEST_PATH.lookFoot];
	expect(looked).toEqual([`${folder}/ghostty.conf`, `${folder}/foot.ini`]);
	for (const file of ["ghostty.conf", "foot.ini"]) expect(terminal).toContain(`$look/${file}`);
});

test("the pack is the uppermost of the read-only layers, the root file system the lowest", () => {
	expect(init).toContain("layers=/lower/guest:/lower/root\n");
	expect(init).toContain("layers=/lower/drivers:$layers\n");
	expect(init).toContain("-o lowerdir=$layers,");
});
