/**
 * Ghostty in the image: a package dropped into the build becomes the terminal, and is started with what it needs. The package is one of ours
 * that notes how it was started. What the host's Ghostty configuration gives it, and the stand-in: look.test.ts.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Context, cacheFolder } from "../../vm-assets/build/context.ts";
import { rootTreeStep } from "../../vm-assets/build/root.ts";
import { ROOT, type RootInfo } from "../../vm-assets/build/root-info.ts";
import { toolsStep } from "../../vm-assets/build/tools.ts";
import { GHOSTTY_VERSION, makeGhosttyPackage, NOTES } from "./ghostty-package.ts";
import { BINARY, BOOT_TIMEOUT_MS, Sandbox, tool } from "./harness.ts";
import { makeRootImage } from "./rootfs.ts";
import { XServer } from "./xserver.ts";

const BUILD_TIMEOUT_MS = 600_000;
let sandbox: Sandbox;
let image: string;
let tree: string;
let info: RootInfo;

const isRoot = process.getuid?.() === 0;

async function buildImage(): Promise<void> {
	const packages = join(sandbox.root, "packages");
	await makeGhosttyPackage(packages, sandbox.root);
	const repo = join(import.meta.dir, "../..");
	const cache = cacheFolder(process.env);
	const context: Context = { repo, arch: "x64", fast: true, refresh: false, made: new Set(), cache, packages };
	const { dir } = await rootTreeStep(context, await toolsStep(context));
	info = JSON.parse(readFileSync(join(dir, ROOT.info), "utf8")) as RootInfo;
	image = join(sandbox.root, "root.erofs");
	tree = join(dir, "tree");
	await makeRootImage(image, sandbox.root, {}, tree);
}

beforeAll(async () => {
	sandbox = new Sandbox();
	if (isRoot) await buildImage();
}, BUILD_TIMEOUT_MS);
afterAll(() => sandbox[Symbol.dispose](), BOOT_TIMEOUT_MS);

describe.skipIf(!isRoot)("a package with a ghostty program", () => {
	test("is the terminal that the manifest names, with what it depends on, and leaves nothing of the build in the image", () => {
		expect(info.terminal).toEqual({ name: "ghostty", version: GHOSTTY_VERSION, standIn: false });
		const names = info.packages.map(({ name }) => name);
		expect(names).toEqual(expect.arrayContaining(["ghostty-test", "foot", "fonts-symbola"]));
		expect(existsSync(join(tree, sandbox.root))).toBe(false);
		expect(existsSync(join(tree, "tmp"))).toBe(true);
	});

	test(
		"is started with our configuration and the host's, as a login in the user's home, with nothing to wait for, and gets OpenGL",
		async () => {
			mkdirSync(join(sandbox.home, ".config/ghostty/themes"), { recursive: true });
			writeFileSync(
				join(sandbox.home, ".config/ghostty/config"),
				"theme = Mine\nfont-size = 14\ncommand = sh\nenv = SECRET=1\nkeybind = ctrl+t=new_tab\n",
			);
			writeFileSync(join(sandbox.home, ".config/ghostty/themes/Mine"), "background = #203040\n");
			const flags = ["--accel", "tcg", "--gpu", "software", "--rootfs", image, "--cold"];
			const started = await sandbox.run(["run", "--detach", "-v", "--name", "boo", ...flags]);
			expect([started.code, started.stderr]).toEqual([0, expect.stringContaining("command: it runs a program")]);
			const vg = (...args: string[]) => tool([BINARY, ...args], { env: sandbox.env });
			try {
				const noted = async (name: string) => {
					const script = `until [ -s ${NOTES}/${name} ] && [ -e /run/virtualghost/session/terminal-up ]; do sleep 0.2; done; cat ${NOTES}/${name}`;
					const { stdout } = await vg("exec", "boo", "--", "timeout", "120", "sh", "-c", script);
					return stdout.trim().split("\n");
				};
				expect(await noted("arguments")).toEqual([
					"--config-file=/usr/share/virtualghost/ghostty.conf",
					"--config-file=/usr/share/virtualghost/look/ghostty.conf",
				]);
				const config = await noted("config");
				expect(config).toEqual(expect.arrayContaining(["fullscreen = true", "command = /bin/bash --login"]));
				expect(config.slice(-3)).toEqual(["background = #203040", "font-size = 14", "keybind = ctrl+t=new_tab"]);
				expect(config.join()).not.toContain("SECRET");
				expect(await noted("folder")).toEqual(["/home/ghost"]);
				expect((await noted("gl")).join("\n")).toMatch(/OpenGL core profile version: 4\.[3-9]/);
				const environment = Object.fromEntries((await noted("environment")).map((line) => line.split(/=(.*)/s)));
				expect(environment).toMatchObject({
					...{ HOME: "/home/ghost", USER: "ghost", SHELL: "/bin/bash", LANG: "C.UTF-8", WAYLAND_DISPLAY: "wayland-0" },
					...{ GDK_BACKEND: "wayland", GDK_DISABLE: "vulkan", GDK_DEBUG: "no-portals", ADW_DISABLE_PORTAL: "1" },
					...{ GTK_USE_PORTAL: "0", GIO_USE_VFS: "local", GTK_A11Y: "none", GSETTINGS_BACKEND: "memory" },
					...{ XCURSOR_THEME: "Adwaita", XDG_RUNTIME_DIR: "/run/user/1000", VIRTUALGHOST_GRAPHICS: "software" },
					DBUS_SESSION_BUS_ADDRESS: expect.stringContaining("unix:"),
				});
				// What Ghostty looks for when it starts a shell, and a cursor.
				const script = "infocmp -x xterm-ghostty >/dev/null && ls /usr/share/icons/Adwaita/cursors/default && hostname";
				const { stdout } = await vg("exec", "boo", "--", "sh", "-c", script);
				expect(stdout).toBe("/usr/share/icons/Adwaita/cursors/default\nboo\n");
			} finally {
				await vg("stop", "boo", "--force");
			}
			expect(await sandbox.lingering(10)).toEqual([]);
		},
		BOOT_TIMEOUT_MS,
	);
});

describe.skipIf(!isRoot)("a ghostty that ends at once", () => {
	test(
		"in a window: the launcher ends with its words and exit code 1",
		async () => {
			await using x = await XServer.start();
			const crashing = join(sandbox.root, "crashing.erofs");
			const script = "#!/bin/sh\necho 'ghostty: OpenGL said no' >&2\nexit 3\n";
			await makeRootImage(crashing, sandbox.root, { "usr/bin/ghostty": script });
			const { code, stderr } = await sandbox.run(["--rootfs", crashing, "--accel", "tcg"], { env: x.env });
			expect(code).toBe(1);
			expect(stderr).toContain("The terminal did not start");
			expect(stderr).toContain("ghostty: OpenGL said no");
			expect(sandbox.processes()).toEqual([]);
			expect(sandbox.instances()).toEqual([]);
		},
		BOOT_TIMEOUT_MS,
	);
});
