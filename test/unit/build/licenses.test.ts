/** The bill of materials, and the lockfile that holds it to what was chosen. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import packageJson from "../../../package.json" with { type: "json" };
import type { Manifest } from "../../../src/vm/manifest.ts";
import { cycloneDx } from "../../../src/vm/sbom.ts";
import { npmPackages, parseCopyright, readLock } from "../../../vm-assets/build/licenses.ts";

const REPO = join(import.meta.dir, "../../..");

describe("copyright files", () => {
	test("for machines", () => {
		const text = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Files: *
License: GPL-2+ or BSD-3-clause

Files: doc/*
License: Expat
 Permission is hereby granted

License: GPL-2+
 On Debian systems: /usr/share/common-licenses/GPL-2
`;
		expect(parseCopyright(text)).toEqual(["Expat", "GPL-2+", "GPL-2+ or BSD-3-clause"]);
	});

	test("for people", () => {
		expect(parseCopyright("see /usr/share/common-licenses/LGPL-2.1.\nand common-licenses/GPL.")).toEqual([
			"GPL",
			"LGPL-2.1",
		]);
		expect(parseCopyright("Permission is hereby granted,\n free of charge, to any person")).toEqual(["Expat"]);
		expect(parseCopyright("Copyright 1990 somebody")).toEqual([]);
	});
});

describe("npm", () => {
	test("what is bundled: the dependencies with theirs, exactly as locked, each with a licence", () => {
		const packages = npmPackages(REPO);
		const names = packages.map(({ name }) => name);
		for (const name of Object.keys(packageJson.dependencies)) expect(names).toContain(name);
		expect(names).toContain("bcrypt-pbkdf");
		for (const name of ["cpu-features", "nan", "typescript"]) expect(names).not.toContain(name);
		for (const { name, licenses } of packages) expect([name, licenses]).toEqual([name, [expect.stringMatching(/\w/)]]);
	});

	test("versions are exact, and every package is locked with its sum", () => {
		const lock = readLock(REPO);
		for (const [name, version] of Object.entries({ ...packageJson.dependencies, ...packageJson.devDependencies })) {
			expect([name, version]).toEqual([name, expect.stringMatching(/^\d+\.\d+\.\d+$/)]);
			expect(lock[name]?.[0]).toBe(`${name}@${version}`);
		}
		for (const [name, entry] of Object.entries(lock)) {
			// From the registry (no address of another place), with a sum.
			expect([name, entry[0], entry[1], entry[3]]).toEqual([
				name,
				expect.stringMatching(/@\d+\.\d+\.\d+[-\w.+]*$/),
				"",
				expect.stringMatching(/^sha512-[\w+/]{86}==$/),
			]);
		}
	});

	test("nothing runs at installation, and CI installs what is locked", () => {
		expect(packageJson.trustedDependencies).toEqual([]);
		expect(readFileSync(join(REPO, ".ci/bootstrap.mjs"), "utf8")).toContain('"install", "--frozen-lockfile"');
	});
});

const MANIFEST = {
	arch: "x64",
	builder: { bun: "1.4.5" },
	assets: [{ name: "kernel", file: "kernel", bytes: 1, sha256: "a".repeat(64) }],
	packages: {
		root: [
			{ name: "libstdc++6", version: "14.2.0-19", licenses: ["GPL-3"] },
			{ name: "acl", version: "1:2.3.2-2+b1", licenses: [] },
		],
		kernel: [],
		qemu: [{ name: "libstdc++6", version: "14.2.0-19", licenses: ["GPL-3"] }],
		npm: [{ name: "@a/b", version: "1.0.0", licenses: ["MIT"] }],
	},
} as unknown as Manifest;

test("CycloneDX: each package once, with its places, licences and address", () => {
	const bom = cycloneDx(MANIFEST, "0.1.0") as { components: Record<string, unknown>[]; serialNumber: string };
	expect(bom.serialNumber).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
	const refs = bom.components.map((each) => each["bom-ref"]);
	expect(refs).toEqual([
		"asset:kernel",
		"pkg:npm/bun@1.4.5",
		"pkg:deb/debian/libstdc%2B%2B6@14.2.0-19?arch=amd64",
		"pkg:deb/debian/acl@1%3A2.3.2-2%2Bb1?arch=amd64",
		"pkg:npm/%40a/b@1.0.0",
	]);
	expect(bom.components[2]).toMatchObject({
		licenses: [{ license: { name: "GPL-3" } }],
		properties: [{ value: "the guest's root file system" }, { value: "the QEMU bundle" }],
	});
	expect(bom.components[3]).not.toHaveProperty("licenses");
	expect(cycloneDx(MANIFEST, "0.1.0")).toEqual(bom);
});
