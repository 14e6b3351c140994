/** Extracts small assets for real, then changes them as a bad disk or somebody else would. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
	appendFileSync,
	chmodSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Embedded, ensureAssets } from "../../../src/vm/assets.ts";
import type { AssetName, Manifest } from "../../../src/vm/manifest.ts";
import { verifyAssets } from "../../../src/vm/verify.ts";

let folder: string;
let embedded: Embedded;

const cache = () => join(folder, "cache");
const extracted = (name: string) => {
	const assets = join(cache(), "assets");
	return join(assets, readdirSync(assets).find((each) => each.startsWith(name)) ?? "none");
};

beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "vg-verify-"));
	const source = join(folder, "source");
	mkdirSync(join(source, "bundle/bin"), { recursive: true });
	writeFileSync(join(source, "bundle/bin/qemu-system-x86_64"), "qemu");
	writeFileSync(join(source, "bundle/lib"), "lib");
	const tar = Bun.spawnSync(["tar", "-C", join(source, "bundle"), "-c", "."]).stdout;
	const contents: Partial<Record<AssetName, Uint8Array>> = {
		kernel: Buffer.from("kernel"),
		root: Buffer.alloc(3_000_000, "root"),
		qemu: Bun.zstdCompressSync(tar),
	};
	const assets = Object.entries(contents).map(([name, bytes]) => {
		writeFileSync(join(source, name), bytes);
		const sha256 = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
		return { name: name as AssetName, file: name, bytes: bytes.length, sha256 };
	});
	const files = Object.fromEntries(assets.map(({ name }) => [name, join(source, name)]));
	embedded = { manifest: { arch: "x64", assets } as unknown as Manifest, files };
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function extract(): Promise<void> {
	await ensureAssets(embedded, cache(), ["kernel", "root", "qemu"], () => {}, new AbortController().signal);
}

async function verdicts(): Promise<string[]> {
	const all: string[] = [];
	for await (const { name, where, verdict } of verifyAssets(embedded, cache())) all.push(`${name} ${where} ${verdict}`);
	return all;
}

test("before and after they were extracted", async () => {
	expect((await verdicts()).filter((each) => each.includes("cache"))).toEqual([
		"kernel cache absent",
		"root cache absent",
		"qemu cache absent",
	]);
	await extract();
	const before = readdirSync(join(cache(), "assets"));
	expect(await verdicts()).toEqual(
		["kernel", "root", "qemu"].flatMap((name) => [`${name} executable ok`, `${name} cache ok`]),
	);
	expect(readdirSync(join(cache(), "assets"))).toEqual(before);
});

const CHANGES: readonly (readonly [string, string, () => void])[] = [
	["a bit of an image", "root", () => flip(extracted("root"))],
	["a file of the bundle", "qemu", () => appendFileSync(join(extracted("qemu"), "lib"), "more")],
	["a file more in the bundle", "qemu", () => writeFileSync(join(extracted("qemu"), "bin/evil"), "")],
	["a file less in the bundle", "qemu", () => rmSync(join(extracted("qemu"), "lib"))],
	["a file that has become executable", "qemu", () => chmodSync(join(extracted("qemu"), "lib"), 0o755)],
	["a link in a file's place", "qemu", () => relink(join(extracted("qemu"), "lib"), "/etc/passwd")],
];

test.each(CHANGES)("in the cache: %s", async (_what, name, change) => {
	await extract();
	change();
	const bad = (await verdicts()).filter((each) => each.includes("damaged"));
	expect(bad).toEqual([`${name} cache damaged`]);
});

test("inside: nothing is said of what was extracted from it", async () => {
	await extract();
	flip(embedded.files.root ?? "");
	expect((await verdicts()).filter((each) => each.startsWith("root"))).toEqual(["root executable damaged"]);
});

function flip(path: string): void {
	const bytes = readFileSync(path);
	bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
	chmodSync(path, 0o600);
	writeFileSync(path, bytes);
}

function relink(path: string, target: string): void {
	rmSync(path);
	symlinkSync(target, path);
}
