import { describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { Fault } from "../../../src/errors.ts";
import { checkTargets, parseMount, targetProblem } from "../../../src/files/mount-spec.ts";
import { findSource } from "../../../src/files/source.ts";

describe("SRC:DST[:rw]", () => {
	test("is read", () => {
		expect(parseMount("/src:/work")).toEqual({ source: "/src", target: "/work", writable: false });
		expect(parseMount("~/a b:~/x:rw")).toEqual({ source: "~/a b", target: "/home/ghost/x", writable: true });
		expect(parseMount("C:\\Users\\me:/mnt/me:ro")).toEqual({
			source: "C:\\Users\\me",
			target: "/mnt/me",
			writable: false,
		});
		expect(parseMount("./a:b:/mnt//./c/")).toEqual({ source: "./a:b", target: "/mnt/c", writable: false });
	});

	test("that is wrong is refused with what is right", () => {
		for (const text of [
			"",
			"/src",
			":/x",
			"/src:",
			"/src:x",
			"/src:rw",
			"/src:/a/../etc",
			"/src:/etc",
			"/src:/",
			"/src:~",
			"/src:/usr/x",
			"/src:/proc/1",
			"/src:/home",
			"/a\nb:/x",
			"/src:/x\0",
		]) {
			expect(() => parseMount(text)).toThrow(Fault);
		}
	});

	test("of any text is a place below a folder that may be covered, or refused", () => {
		fc.assert(
			fc.property(fc.string(), fc.string(), (source, target) => {
				try {
					const spec = parseMount(`${source}:${target}`);
					expect(spec.target).toMatch(/^\/[^/]/);
					expect(spec.target.split("/")).not.toContain("..");
					expect(targetProblem(spec.target)).toBeNull();
				} catch (error) {
					expect(error).toBeInstanceOf(Fault);
				}
			}),
		);
	});

	test("may not cover each other", () => {
		checkTargets([{ target: "/a" }, { target: "/a/b" }, { target: "/ab" }]);
		expect(() => checkTargets([{ target: "/a/b" }, { target: "/a" }])).toThrow("mounted at /a");
		expect(() => checkTargets([{ target: "/a" }, { target: "/a" }])).toThrow("mounted at /a");
	});
});

test("the source is a folder that can be read, and the home only with a word", () => {
	const root = realpathSync(mkdtempSync(join(tmpdir(), "vg-source-")));
	try {
		const home = join(root, "users/me");
		mkdirSync(join(home, "project"), { recursive: true });
		writeFileSync(join(home, "letter"), "");
		symlinkSync(home, join(root, "link"));
		symlinkSync("users/me", join(root, "home-link"));
		const find = (path: string, allowHome = false, asHome = home) =>
			findSource("--mount", path, { home: asHome, cwd: home, allowHome });
		expect(find("project")).toBe(join(home, "project"));
		expect(find("~/project")).toBe(join(home, "project"));
		for (const path of ["~", ".", "..", "/", join(root, "link"), root]) {
			expect(() => find(path)).toThrow("holds your whole home directory");
			expect(typeof find(path, true)).toBe("string");
		}
		// The home itself may be a link.
		expect(() => find(home, false, join(root, "home-link"))).toThrow("holds your whole home directory");
		for (const path of ["nothing", "letter"]) expect(() => find(path)).toThrow("cannot be used");
	} finally {
		rmSync(root, { recursive: true });
	}
});
