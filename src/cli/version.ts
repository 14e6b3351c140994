/** `virtualghost version`: this program, and with `--assets` or `--sbom` what is inside it. */

import { EXIT, Fault } from "../errors.ts";
import { COMMIT, VERSION } from "../version.ts";
import type { Embedded } from "../vm/assets.ts";
import type { Manifest } from "../vm/manifest.ts";
import { cycloneDx } from "../vm/sbom.ts";
import { print } from "./output.ts";

const MIB = 1024 * 1024;

export function version(embedded: Embedded, flags: { assets: boolean; json: boolean; sbom: boolean }): number {
	if (flags.sbom) {
		if (!embedded.manifest) throw new Fault("No assets are embedded in this build, and so nothing is listed");
		print(`${JSON.stringify(cycloneDx(embedded.manifest, VERSION), null, 2)}\n`);
		return EXIT.ok;
	}
	const own = { version: VERSION, commit: COMMIT, bun: Bun.version, platform: `${process.platform}-${process.arch}` };
	if (flags.json) {
		print(`${JSON.stringify(flags.assets ? { ...own, assets: embedded.manifest } : own, null, 2)}\n`);
		return EXIT.ok;
	}
	print(`virtualghost ${VERSION}${COMMIT ? ` (${COMMIT})` : ""}, Bun ${Bun.version}, ${own.platform}\n`);
	if (flags.assets) print(embedded.manifest ? describe(embedded.manifest) : "no assets are embedded in this build\n");
	return EXIT.ok;
}

/** "foot 1.21 (stand-in for Ghostty)": the terminal that is really there, whatever the product's name says. */
export function terminalName(manifest: Manifest): string {
	const { name, version: release, standIn } = manifest.terminal;
	return `${name} ${release}${standIn ? " (stand-in: no Ghostty package was at hand when this image was built)" : ""}`;
}

function describe(manifest: Manifest): string {
	const { distribution, kernel, qemu, builder, packages } = manifest;
	const lines = [
		`terminal:     ${terminalName(manifest)}`,
		`distribution: ${distribution.name} ${distribution.version}, ${packages.root.length} packages`,
		`kernel:       ${kernel.version}`,
		`qemu:         ${qemu ? `${qemu.version} (with glibc ${qemu.glibc})` : "none (the system's is used)"}`,
		`built by:     virtualghost ${builder.virtualghost}, Bun ${builder.bun}${builder.commit ? `, commit ${builder.commit}` : ""}`,
	];
	for (const asset of manifest.assets) {
		lines.push(
			`${`${asset.name}:`.padEnd(13)} ${(asset.bytes / MIB).toFixed(1).padStart(6)} MiB  sha256 ${asset.sha256}`,
		);
	}
	return `${lines.join("\n")}\n`;
}
