/** The bill of materials, as CycloneDX 1.6: everything that this file holds, by the word of its manifest. Pure. */
import type { Manifest } from "./manifest.ts";

type Listed = Manifest["packages"]["root"][number];

interface Component {
	readonly type: "application" | "library" | "file";
	readonly "bom-ref": string;
	readonly name: string;
	readonly version?: string;
	readonly purl?: string;
	readonly hashes?: readonly { readonly alg: "SHA-256"; readonly content: string }[];
	readonly licenses?: readonly { readonly license: { readonly name: string } }[];
	readonly properties: readonly { readonly name: string; readonly value: string }[];
}

/** Where a package went. */
const PLACES: Readonly<Record<keyof Manifest["packages"], string>> = {
	root: "the guest's root file system",
	kernel: "the guest's kernel",
	qemu: "the QEMU bundle",
	pciids: "the names of PCI devices",
	npm: "launcher and agent",
	parts: "initramfs and agent",
};

export function cycloneDx(manifest: Manifest, version: string): object {
	const components = [...describeAssets(manifest), bun(manifest), ...describePackages(manifest)];
	const root = `virtualghost@${version}`;
	return {
		bomFormat: "CycloneDX",
		specVersion: "1.6",
		serialNumber: `urn:uuid:${serialOf(manifest)}`,
		version: 1,
		metadata: {
			component: {
				type: "application",
				"bom-ref": root,
				name: "virtualghost",
				version,
				licenses: [{ license: { id: "MIT" } }],
			},
		},
		components,
		dependencies: [{ ref: root, dependsOn: components.map((each) => each["bom-ref"]) }],
	};
}

function describeAssets({ assets }: Manifest): Component[] {
	return assets.map(({ name, file, sha256 }) => ({
		type: "file",
		"bom-ref": `asset:${name}`,
		name: file,
		hashes: [{ alg: "SHA-256", content: sha256 }],
		properties: [place("the executable")],
	}));
}

/** The runtime of launcher and agent. */
function bun({ builder }: Manifest): Component {
	const purl = `pkg:npm/bun@${builder.bun}`;
	const licenses = [{ license: { name: "MIT" } }];
	return {
		type: "application",
		"bom-ref": purl,
		name: "bun",
		version: builder.bun,
		purl,
		licenses,
		properties: [place(PLACES.npm)],
	};
}

/** One component a package, however many places it went to. */
function describePackages({ packages, arch }: Manifest): Component[] {
	const found = new Map<string, Component>();
	for (const [kind, where] of Object.entries(PLACES)) {
		for (const each of packages[kind as keyof typeof PLACES] ?? []) {
			const purl = kind === "npm" ? npmPurl(each) : debianPurl(each, arch);
			const known = found.get(purl);
			found.set(purl, { ...describe(each, purl), properties: [...(known?.properties ?? []), place(where)] });
		}
	}
	return [...found.values()];
}

function describe({ name, version, licenses = [] }: Listed, purl: string): Omit<Component, "properties"> {
	const named = licenses.map((license) => ({ license: { name: license } }));
	return {
		type: "library",
		"bom-ref": purl,
		name,
		version,
		purl,
		...(named.length > 0 ? { licenses: named } : {}),
	};
}

function place(value: string): Component["properties"][number] {
	return { name: "virtualghost:place", value };
}

function debianPurl({ name, version }: Listed, arch: Manifest["arch"]): string {
	const architecture = arch === "x64" ? "amd64" : "arm64";
	return `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}`;
}

function npmPurl({ name, version }: Listed): string {
	return `pkg:npm/${name.split("/").map(encodeURIComponent).join("/")}@${encodeURIComponent(version)}`;
}

/** The same build has the same one (RFC 9562, version 8: any bytes). */
function serialOf(manifest: Manifest): string {
	const hash = new Bun.CryptoHasher("sha256").update(JSON.stringify(manifest)).digest("hex");
	const variant = ((Number.parseInt(hash.charAt(16), 16) & 3) | 8).toString(16);
	const parts = [hash.slice(0, 8), hash.slice(8, 12), `8${hash.slice(13, 16)}`, `${variant}${hash.slice(17, 20)}`];
	return [...parts, hash.slice(20, 32)].join("-");
}
