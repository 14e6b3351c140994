/** The Arch recipe against a repository that stands in for Arch's: pacstrap, finishing steps, the description, and a machine that boots. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Step } from "../../vm-assets/build/cache.ts";
import { type Context, cacheFolder } from "../../vm-assets/build/context.ts";
import { parseList } from "../../vm-assets/build/debian.ts";
import { archToolsStep, archTreeStep } from "../../vm-assets/build/root-arch.ts";
import { ROOT, type RootInfo } from "../../vm-assets/build/root-info.ts";
import { inTree } from "../../vm-assets/build/tree.ts";
import { makeArchPackages } from "./arch-repository.ts";
import { GHOSTTY_VERSION } from "./ghostty-package.ts";
import { BOOT_TIMEOUT_MS, Sandbox, tool } from "./harness.ts";
import { builtRootTree, makeRootImage } from "./rootfs.ts";

const BUILD_TIMEOUT_MS = 900_000;
const REPO = join(import.meta.dir, "../..");
const NAMES = parseList(readFileSync(join(REPO, "vm-assets/rootfs/arch/packages.list"), "utf8"));
const isRoot = process.getuid?.() === 0;
let sandbox: Sandbox;
let root: Step;

const context: Context = {
	repo: REPO,
	arch: "x64",
	fast: true,
	refresh: false,
	made: new Set(),
	cache: cacheFolder(process.env),
};

async function buildTree(): Promise<void> {
	const folder = join(sandbox.root, "repository");
	await makeArchPackages(builtRootTree(), folder, sandbox.root, NAMES);
	const tools = await archToolsStep(context);
	const argv = ["sh", "-euc", "cd /mnt/repository && repo-add -q standin.db.tar.gz *.pkg.tar.zst"];
	const log = join(sandbox.root, "arch.log");
	await inTree({ tree: join(tools.dir, "tree"), argv, mounts: [{ from: folder, as: "repository" }] }, { log });
	const env = { ARCH_MIRROR: "file:///mnt/repository", ARCH_REPOS: "standin", ARCH_SIGLEVEL: "Never" };
	root = await archTreeStep(context, { env, folder, key: builtRootTree() });
}

beforeAll(async () => {
	sandbox = new Sandbox();
	if (isRoot) await buildTree();
}, BUILD_TIMEOUT_MS);
afterAll(() => sandbox[Symbol.dispose](), BOOT_TIMEOUT_MS);

describe.skipIf(!isRoot)("the Arch recipe, with a stand-in for Arch's repositories", () => {
	test("installs what it names, finishes it as Debian's, and says what is inside", () => {
		const tree = join(root.dir, "tree");
		const info = JSON.parse(readFileSync(join(root.dir, ROOT.info), "utf8")) as RootInfo;
		expect(info.distribution).toEqual({ name: "Arch Linux", version: "rolling" });
		expect(info.terminal).toEqual({ name: "ghostty", version: GHOSTTY_VERSION, standIn: false });
		expect(info.packages.map(({ name }) => name)).toEqual([...NAMES].sort());
		expect(readFileSync(join(tree, "etc/passwd"), "utf8")).toContain("ghost:x:1000:1000:Ghost:/home/ghost:/bin/bash");
		expect(readFileSync(join(tree, "etc/hostname"), "utf8")).toBe("virtualghost\n");
		expect(readFileSync(join(tree, "etc/machine-id"), "utf8")).toBe("");
		expect(existsSync(join(tree, "usr/share/man/man1"))).toBe(false);
		expect(existsSync(join(tree, "var/cache/pacman/pkg"))).toBe(false);
	});

	test(
		"boots: the same layer, session and agent, and its ghostty is the terminal",
		async () => {
			const image = join(sandbox.root, "root.erofs");
			await makeRootImage(image, sandbox.root, {}, join(root.dir, "tree"));
			const tested = await sandbox.run(["run", "--headless-test", "--accel", "tcg", "--rootfs", image]);
			expect([tested.code, tested.stdout]).toEqual([0, expect.stringContaining("terminal")]);
			expect(await sandbox.lingering(10)).toEqual([]);
		},
		BOOT_TIMEOUT_MS,
	);
});

/** The tree of Debian's pacman as a base image in place of Arch's, and the repository in it. */
async function makeBaseImage(buildah: (...args: string[]) => ReturnType<typeof tool>): Promise<void> {
	const tools = await archToolsStep(context);
	const script = `set -e
ctr=$(buildah "$@" from scratch)
mnt=$(buildah "$@" mount "$ctr")
cp -a "$TREE/." "$mnt/"
mkdir -p "$mnt/repository" "$mnt/etc/pacman.d"
cp "$REPOSITORY"/* "$mnt/repository/"
echo 'Server = file:///repository' >"$mnt/etc/pacman.d/mirrorlist"
buildah "$@" umount "$ctr"
buildah "$@" commit -q "$ctr" localhost/stand-in`;
	const env = { ...process.env, TREE: join(tools.dir, "tree"), REPOSITORY: join(sandbox.root, "repository") };
	const made = await tool(["sh", "-c", script, "sh", ...storage()], { env });
	expect([made.code, made.stderr]).toEqual([0, ""]);
	expect((await buildah("images", "-q", "localhost/stand-in")).stdout).not.toBe("");
}

const storage = () => {
	const place = (name: string) => join(sandbox.root, "containers", name);
	return ["--storage-driver", "vfs", "--root", place("storage"), "--runroot", place("run")];
};

describe.skipIf(!isRoot)("the container", () => {
	test(
		"makes the same tree with buildah, in a base image that stands in for Arch's",
		async () => {
			const buildah = (...args: string[]) => tool(["buildah", ...storage(), ...args], { cwd: REPO });
			await makeBaseImage(buildah);
			const options = ["--isolation", "chroot", "--cap-add", "SYS_ADMIN", "--target", "arch-root", "-t", "arch-root"];
			const parts = ["ARCH_BASE=localhost/stand-in", "ARCH_REPOS=standin", "ARCH_SIGLEVEL=Never"];
			const built = await buildah(
				"build",
				...options,
				...parts.flatMap((part) => ["--build-arg", part]),
				"-f",
				"Containerfile",
				".",
			);
			expect([built.code, built.stderr]).toEqual([0, expect.anything()]);
			const script =
				'ctr=$(buildah "$@" from localhost/arch-root) && cat "$(buildah "$@" mount "$ctr")/tree/etc/passwd"';
			const { stdout } = await tool(["sh", "-c", script, "sh", ...storage()]);
			expect(stdout).toContain("ghost:x:1000:1000:Ghost:/home/ghost:/bin/bash");
		},
		BUILD_TIMEOUT_MS,
	);
});

test("without root, or a mirror, the build says what to do", async () => {
	const env = { ...process.env, ARCH_MIRROR: "" };
	const asked = await tool([process.execPath, "build.ts", "--distribution", "gentoo"], { cwd: REPO, env });
	expect([asked.code, asked.stderr]).toEqual([2, expect.stringContaining("debian, arch")]);
});
