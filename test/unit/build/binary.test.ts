import { expect, test } from "bun:test";
import type { Manifest } from "../../../src/vm/manifest.ts";
import { launcherWithAssets, launcherWithoutAssets } from "../../../vm-assets/build/binary.ts";
import { PLATFORMS, parseTarget, TARGETS } from "../../../vm-assets/build/targets.ts";

const MANIFEST: Manifest = {
	schema: 1,
	arch: "x64",
	builder: { virtualghost: "0", bun: "0", commit: null, fast: false },
	distribution: { name: "Debian", version: "13" },
	kernel: { version: "6", modules: "0".repeat(64) },
	terminal: { name: "foot", version: "1", standIn: true },
	qemu: { version: "11", glibc: "2", libstdcxx: "14" },
	assets: [
		{ name: "kernel", file: "kernel", bytes: 1, sha256: "0".repeat(64) },
		{ name: "root", file: "root.erofs", bytes: 1, sha256: "0".repeat(64) },
	],
	packages: { root: [], kernel: [], qemu: [] },
};

test("the entry embeds every asset of the manifest as a file", () => {
	expect(launcherWithAssets(MANIFEST)).toMatchInlineSnapshot(`
"// Made by vm-assets/build/binary.ts.
import kernel from "../assets/x64/kernel" with { type: "file" };
import root from "../assets/x64/root.erofs" with { type: "file" };
import manifest from "./manifest-x64.json" with { type: "json" };
import { main } from "../../src/main.ts";

await main({ manifest, files: { kernel, root } });
"
`);
});

test("without assets the launcher is told so", () => {
	expect(launcherWithoutAssets()).toContain("main({ manifest: null, files: {} })");
});

test("every target has a platform; an unknown one is an error of use", () => {
	expect(Object.keys(PLATFORMS)).toEqual([...TARGETS]);
	expect(parseTarget("darwin-arm64")).toBe("darwin-arm64");
	expect(() => parseTarget("amiga-68k")).toThrow(expect.objectContaining({ exitCode: 2 }));
});
