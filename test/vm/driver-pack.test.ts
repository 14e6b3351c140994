/**
 * A machine with a driver pack, through the built binary. There is no graphics card to pass here: what is shown is that the
 * guest finds the drivers by a card's id, loads one, and has their firmware; and that it has neither without a pack.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeHeader, HEAD_BYTES, openDriverPack, type PackHeader } from "../../src/vm/driver-pack.ts";
import { manifestSchema } from "../../src/vm/manifest.ts";
import { type PackManifest, packName } from "../../vm-assets/build/driver-pack.ts";
import { VENDOR_NAMES, VENDORS } from "../../vm-assets/build/firmware.ts";
import { BOOT_TIMEOUT_MS, Sandbox, tool } from "./harness.ts";
import { TestMachine } from "./machine.ts";

const ROOT = join(import.meta.dir, "../..");
const ASSETS = join(ROOT, "dist/assets/x64");

/** Downloads 60 MB and takes 40 s the first time. */
const BUILD_TIMEOUT_MS = 300_000;

let pack: string;
beforeAll(async () => {
	const built = await tool([process.execPath, join(ROOT, "build.ts"), "--only", "driver-pack"]);
	if (built.code !== 0) throw new Error(built.stderr);
	const { kernel } = manifestSchema.parse(await Bun.file(join(ASSETS, "manifest.json")).json());
	pack = join(ROOT, "dist", packName(kernel.version, { vendors: VENDOR_NAMES, firmware: true }));
}, BUILD_TIMEOUT_MS);

/** A shell command in the guest: its output without the newline at its end. */
async function inGuest(machine: TestMachine, command: string): Promise<string> {
	const { code, stdout, stderr } = await machine.vg(["exec", "--", "sh", "-c", command]);
	if (code !== 0) throw new Error(`${command}: ${code} ${stderr}`);
	return stdout.trimEnd();
}

const MODULES = "/usr/lib/modules/$(uname -r)";

describe("with the pack", () => {
	let machine: TestMachine;
	beforeAll(async () => {
		machine = await TestMachine.start(["--gpu", "none", "--driver-pack", pack]);
	}, BOOT_TIMEOUT_MS);
	afterAll(async () => await machine?.[Symbol.asyncDispose]());

	test("modules of the pack and of the layer are found by name, and the index names every file that is there", async () => {
		const names = ["amdgpu", "radeon", "i915", "xe", "nouveau", "virtio_gpu", "nf_tables"];
		const found = await inGuest(machine, `modinfo -F filename ${names.join(" ")}`);
		expect(found.split("\n").map((path) => path.replace(/.*\/|\.ko$/g, "").replaceAll("-", "_"))).toEqual(names);
		const indexed = await inGuest(machine, `cut -d: -f1 ${MODULES}/modules.dep | sort`);
		expect(await inGuest(machine, `cd ${MODULES} && find kernel -name '*.ko' | sort`)).toBe(indexed);
	}, 60_000);

	test("a card's id leads to its driver, as udev asks for it", async () => {
		const drivers: Record<string, string> = {};
		// Radeon RX 7900 XTX, Radeon HD 5450, Arc A770, Arc B580, GeForce RTX 4090
		for (const id of ["1002 744C", "1002 68F9", "8086 56A0", "8086 E20B", "10DE 2684"]) {
			const [vendor, device] = id.split(" ");
			const alias = `pci:v0000${vendor}d0000${device}sv00000000sd00000000bc03sc00i00`;
			drivers[id] = await inGuest(machine, `modprobe -R ${alias}`);
		}
		expect(drivers).toEqual({
			"1002 744C": "amdgpu",
			"1002 68F9": "radeon\namdgpu", // amdgpu names every card of AMD's, and leaves the old ones alone.
			"8086 56A0": "i915\nxe",
			"8086 E20B": "xe",
			"10DE 2684": "nouveau",
		});
	}, 60_000);

	test("nouveau loads with all that it needs", async () => {
		expect(await inGuest(machine, "sudo modprobe nouveau && cut -d' ' -f1 /proc/modules")).toContain("nouveau");
	}, 120_000);

	test("the firmware that the manifest names is there, and so are the licences", async () => {
		const text = await inGuest(machine, "cat /usr/share/virtualghost/driver-pack.json");
		const { packages, warnings, kernel } = JSON.parse(text) as PackManifest;
		expect(kernel).toBe(await inGuest(machine, "uname -r"));
		for (const { name } of packages) await inGuest(machine, `test -s /usr/share/doc/${name}/copyright`);
		const samples = {
			amd: ["amdgpu/navi10_smc.bin", "radeon/CEDAR_smc.bin"],
			intel: ["i915/dg2_guc_70.bin", "xe/bmg_guc_70.bin"],
			nvidia: ["nvidia/ad102/gsp/gsp-535.113.01.bin"],
		};
		for (const vendor of VENDOR_NAMES) {
			if (!packages.some((each) => each.name === VENDORS[vendor].package)) {
				expect(warnings).toContainEqual(expect.stringContaining(`no firmware for ${vendor}`));
				continue;
			}
			for (const file of samples[vendor]) await inGuest(machine, `cat /usr/lib/firmware/${file} | grep -q .`);
		}
	}, 60_000);
});

test(
	"without a pack the guest has two disks, none of these drivers and no firmware",
	async () => {
		await using machine = await TestMachine.start();
		expect(await inGuest(machine, "cat /sys/block/vd*/serial")).toBe("vg-rootvg-guest");
		const drivers = "find /usr/lib/modules -name amdgpu.ko -o -name nouveau.ko -o -name i915.ko -o -name xe.ko";
		expect(await inGuest(machine, `${drivers}; ls /usr/lib/firmware 2>&1 || true`)).toContain("No such file");
		expect(await inGuest(machine, "modinfo amdgpu nouveau 2>&1 || true")).toMatch(/amdgpu not found[\s\S]*nouveau not/);
	},
	BOOT_TIMEOUT_MS,
);

/** A pack with a true header over nothing. */
function hollowPack(folder: string, change: Partial<PackHeader>): string {
	const path = join(folder, "hollow.erofs");
	const header = { ...openDriverPack(pack), bytes: HEAD_BYTES, ...change };
	writeFileSync(path, Buffer.concat([encodeHeader(header), Buffer.from("e2e1f5e0", "hex")]));
	return path;
}

test("what is no pack, or a pack for another kernel, is refused before anything is extracted or started", async () => {
	using sandbox = new Sandbox();
	const other = hollowPack(sandbox.cwd, { kernel: "6.1.0-1-amd64" });
	const whole = hollowPack(sandbox.home, { bytes: HEAD_BYTES + 1 });
	for (const [path, words] of [
		["missing", "cannot be read"],
		[join(ASSETS, "kernel"), "does not begin like a driver pack"],
		[whole, "was not copied as a whole"],
		[other, "is for another kernel"],
	] as const) {
		const { code, stderr } = await sandbox.run(["run", "--accel", "tcg", "--display", "none", "--driver-pack", path]);
		expect([path, code, stderr]).toEqual([path, 2, expect.stringContaining(words)]);
	}
	expect([sandbox.instances(), sandbox.assets()]).toEqual([[], []]);
}, 60_000);

test(
	"with a kernel of the user's own it is a warning; an image that cannot be mounted ends the start with its cause",
	async () => {
		using sandbox = new Sandbox();
		const other = hollowPack(sandbox.cwd, { kernel: "6.1.0-1-amd64" });
		const own = ["--kernel", join(ASSETS, "kernel"), "--driver-pack", other];
		const { code, stderr } = await sandbox.run(["run", "--accel", "tcg", "--gpu", "none", ...own, "--", "true"]);
		expect(stderr).toContain("the driver pack is for Linux 6.1.0-1-amd64: with --kernel its drivers may not load");
		expect([code, stderr]).toEqual([
			125,
			expect.stringContaining("driver pack on /dev/vdc is no readable EROFS image"),
		]);
	},
	BOOT_TIMEOUT_MS,
);
