import { describe, expect, test } from "bun:test";
import { join, posix, win32 } from "node:path";
import fc from "fast-check";
import { linkTargetProblem, nameProblem, shown } from "../../../../src/ssh/copy/names.ts";

describe("nameProblem", () => {
	test.each(["", ".", "..", "/", "a/b", "../x", "/abs", "a\0", "a".repeat(256), "ü".repeat(128)])(
		"refuses %j",
		(name) => {
			expect(nameProblem(name, "linux")).not.toBeNull();
		},
	);

	test.each(["...", ".hidden", " ", "a\\b", "C:", "nul", "new\nline", "-rf", "~", "a".repeat(255), "👻"])(
		"takes %j",
		(name) => {
			expect(nameProblem(name, "linux")).toBeNull();
		},
	);

	test.each([
		...'\\:*?<>|\n"',
		...[
			"a\\b",
			"..\\x",
			"C:x",
			"file:stream",
			"nul",
			"NUL.txt",
			"con",
			"Com1.x",
			"LPT¹",
			"aux .c",
			"CONIN$",
			"a.",
			"a ",
		],
	])("refuses %j on Windows", (name) => {
		expect(nameProblem(name, "win32")).not.toBeNull();
	});

	test.each(["console", "com", "com10", "nulled.txt", ".x", "a b", "ü"])("takes %j on Windows", (name) => {
		expect(nameProblem(name, "win32")).toBeNull();
	});

	const anyName = fc.oneof(
		fc.string({ unit: "binary" }),
		fc.array(fc.constantFrom("..", ".", "/", "\\", ":", "a", " ", "\0", "C", "con")).map((parts) => parts.join("")),
	);

	test("what it takes is one step below any folder, on each system", () => {
		fc.assert(
			fc.property(anyName, (name) => {
				if (nameProblem(name, "linux") === null) {
					expect(posix.dirname(posix.join("/base/folder", name))).toBe("/base/folder");
				}
				if (nameProblem(name, "win32") === null) {
					expect(win32.dirname(win32.join("C:\\base\\folder", name))).toBe("C:\\base\\folder");
					expect(win32.resolve("C:\\base", name)).toBe(`C:\\base\\${name}`);
				}
			}),
			{ numRuns: 1000 },
		);
	});

	test("what Windows takes every system takes", () => {
		fc.assert(
			fc.property(anyName, (name) => {
				if (nameProblem(name, "win32") === null) expect(nameProblem(name, "linux")).toBeNull();
			}),
		);
	});
});

test("link targets may lead anywhere, but have to be such", () => {
	for (const target of ["../..", "/etc/passwd", "a\nb"]) expect(linkTargetProblem(target)).toBeNull();
	for (const target of ["", "a\0b", "a".repeat(4096)]) expect(linkTargetProblem(target)).not.toBeNull();
});

test("what is shown is one short line that no terminal obeys", () => {
	fc.assert(
		fc.property(fc.string({ unit: "binary", maxLength: 500 }), (text) => {
			expect(shown(text)).not.toMatch(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u);
		}),
	);
	expect(shown("a\u001b]0;x\u0007\nb\u202e")).toBe("a\\u{1b}]0;x\\u{7}\\u{a}b\\u{202e}");
	expect(shown(join("x".repeat(300), "end"))).toEndWith("end");
});
