import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SOURCE_EPOCH } from "../../../vm-assets/build/context.ts";
import { parseList } from "../../../vm-assets/build/debian.ts";
import { archSource, parsePacmanDesc } from "../../../vm-assets/build/root-arch.ts";

const ARCH = join(import.meta.dir, "../../../vm-assets/rootfs/arch");

test("pacman's description of an installed package", () => {
	const text = "%NAME%\nghostty\n\n%VERSION%\n1.2.3-1\n\n%DESC%\n%VERSION%\n\n%DEPENDS%\nglibc\ngtk4\n";
	expect(parsePacmanDesc(text)).toEqual({ name: "ghostty", version: "1.2.3-1" });
	expect(parsePacmanDesc("")).toEqual({ name: "", version: "" });
});

test("the list has the parts that the session is made of", () => {
	const names = parseList(readFileSync(join(ARCH, "packages.list"), "utf8"));
	expect(names).toEqual(expect.arrayContaining(["base", "dbus", "seatd", "cage", "mesa", "ghostty", "openssh"]));
	expect(new Set(names).size).toBe(names.length);
});

test("files get the build's one time in a container too", () => {
	expect(readFileSync(join(ARCH, "make"), "utf8")).toContain(`SOURCE_DATE_EPOCH:-${SOURCE_EPOCH}}`);
});

test("only what the recipe asks for comes from the environment", () => {
	expect(archSource({ ARCH_MIRROR: "m", ARCH_REPOS: "", HOME: "/h", ARCH_OTHER: "x" }).env).toEqual({
		ARCH_MIRROR: "m",
	});
});

test.skipIf(existsSync("/etc/pacman.d/mirrorlist"))("without a mirror the recipe says so and makes nothing", () => {
	const folder = mkdtempSync(join(tmpdir(), "vg-arch-"));
	const { exitCode, stderr } = Bun.spawnSync([join(ARCH, "make"), join(folder, "tree")], {
		env: { PATH: "/usr/bin:/bin" },
	});
	expect([exitCode, stderr.toString()]).toEqual([
		2,
		expect.stringContaining("no Arch mirror is known: set ARCH_MIRROR"),
	]);
	expect(existsSync(join(folder, "tree"))).toBe(false);
	rmSync(folder, { recursive: true });
});
