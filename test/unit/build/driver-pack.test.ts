import { expect, test } from "bun:test";
import { packName, parseVendors } from "../../../vm-assets/build/driver-pack.ts";
import { onlyFirmware, VENDOR_NAMES } from "../../../vm-assets/build/firmware.ts";
import { faultOf } from "../fault-of.ts";

test("vendors are all unless some are named, in one order however they are named", () => {
	expect(parseVendors(undefined)).toEqual(VENDOR_NAMES);
	expect(parseVendors("nvidia, amd")).toEqual(["amd", "nvidia"]);
	for (const text of ["", "amd,", "amd,voodoo"]) expect(faultOf(() => parseVendors(text)).exitCode).toBe(2);
});

test("the name of a pack tells its kernel and what is left out", () => {
	const full = { vendors: VENDOR_NAMES, firmware: true };
	expect(packName("6.12", full)).toBe("driver-pack-6.12.erofs");
	expect(packName("6.12", { vendors: ["amd", "nvidia"], firmware: true })).toBe("driver-pack-6.12-amd-nvidia.erofs");
	expect(packName("6.12", { ...full, firmware: false })).toBe("driver-pack-6.12-no-firmware.erofs");
});

test("firmware comes from one component of the mirror in use", () => {
	const hook = onlyFirmware({ main: "http://mirror.invalid/debian", security: "http://mirror.invalid/security" });
	const lines = [...hook.matchAll(/'(deb [^']*)'/g)].map((match) => match[1]);
	expect(lines).toEqual([
		"deb http://mirror.invalid/debian trixie non-free-firmware",
		"deb http://mirror.invalid/debian trixie-updates non-free-firmware",
		"deb http://mirror.invalid/security trixie-security non-free-firmware",
	]);
});
