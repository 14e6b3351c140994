/** Whose graphics cards a driver pack can serve, and the firmware that Debian has for them. */
import { join } from "node:path";
import { type Step, step } from "./cache.ts";
import { type Context, debianArch } from "./context.ts";
import { findMirror, type Mirror, makeTree, SUITE, TREE_RECIPE } from "./debian.ts";
import { copyDebRecords, KEEP_DEBS } from "./packages.ts";

export interface VendorParts {
	/** Kernel modules; what they depend on is added. One that this kernel is without is named in the pack's manifest. */
	readonly modules: readonly string[];
	/** Debian package of the component `non-free-firmware`. */
	readonly package: string;
	/** Folders under /usr/lib/firmware that these modules read. The package has more, for other devices. */
	readonly folders: readonly string[];
}

export const VENDORS = {
	amd: { modules: ["amdgpu", "radeon"], package: "firmware-amd-graphics", folders: ["amdgpu", "radeon"] },
	intel: {
		// The mei modules load a discrete card's GSC firmware and let it check HuC's.
		modules: ["i915", "xe", "mei_gsc", "mei_gsc_proxy", "mei_pxp", "mei_hdcp"],
		package: "firmware-intel-graphics",
		folders: ["i915", "xe"],
	},
	nvidia: { modules: ["nouveau"], package: "firmware-nvidia-graphics", folders: ["nvidia"] },
} as const satisfies Readonly<Record<string, VendorParts>>;

export type Vendor = keyof typeof VENDORS;

export const VENDOR_NAMES = Object.keys(VENDORS) as Vendor[];

/** The vendor's firmware package, unpacked to `tree`; `packages.json` names its version. */
export function firmwareStep(context: Context, vendor: Vendor): Promise<Step> {
	return step(context, {
		name: `firmware-${vendor}`,
		title: `firmware for ${vendor}`,
		recipe: [...TREE_RECIPE, "vm-assets/build/firmware.ts", "vm-assets/build/packages.ts"],
		make: async ({ dir, log, detail }) => {
			const options = [...KEEP_DEBS, onlyFirmware(await findMirror(log))];
			const packages = [VENDORS[vendor].package];
			await makeTree({ variant: "extract", packages, arch: debianArch(context.arch), options }, dir, log, detail);
			await copyDebRecords(dir);
		},
	});
}

/** mmdebstrap's option that puts the one component with firmware in place of all sources: a list of some kB, not of 10 MB. */
export function onlyFirmware(mirror: Mirror): string {
	const lines = [
		`deb ${mirror.main} ${SUITE} non-free-firmware`,
		`deb ${mirror.main} ${SUITE}-updates non-free-firmware`,
		`deb ${mirror.security} ${SUITE}-security non-free-firmware`,
	];
	return `--setup-hook=printf '%s\\n' ${lines.map((line) => `'${line}'`).join(" ")} > "$1/etc/apt/sources.list"`;
}

export function firmwareFolder(firmware: Step): string {
	return join(firmware.dir, "tree/usr/lib/firmware");
}
