import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { EXIT, Fault } from "../../../../src/errors.ts";
import { copyName, placeOf } from "../../../../src/ssh/copy/destination.ts";
import { parseCopy, parseEndpoint } from "../../../../src/ssh/copy/endpoint.ts";

const remote = (machine: string | undefined, path: string) => ({ kind: "remote", machine, path }) as const;
const local = (path: string) => ({ kind: "local", path }) as const;

describe("parseEndpoint", () => {
	test.each([
		["-", { kind: "stream" }],
		["vm:", remote("vm", ".")],
		["vm:~", remote("vm", ".")],
		["vm:~/", remote("vm", ".")],
		["vm:~/a/b", remote("vm", "a/b")],
		["vm:~//etc", remote("vm", "etc")],
		["vm:~user", remote("vm", "~user")],
		["vm:/etc/passwd", remote("vm", "/etc/passwd")],
		["vm:a:b", remote("vm", "a:b")],
		["vm:-", remote("vm", "-")],
		[":", remote(undefined, ".")],
		[":/x", remote(undefined, "/x")],
		["c:x", remote("c", "x")],
		["0-1:x", remote("0-1", "x")],
		["file", local("file")],
		["./a:b", local("./a:b")],
		["/a:b", local("/a:b")],
		["dir/a:b", local("dir/a:b")],
		["C:\\x", local("C:\\x")],
		["C:/x", local("C:/x")],
		["~/x", local("~/x")],
		["./-", local("./-")],
	] as const)("%s", (text, endpoint) => {
		expect(parseEndpoint(text, "linux")).toEqual(endpoint);
	});

	test.each(["C:\\x", "c:/x", "c:x", ".\\a:b", "dir\\a:b", "\\\\server\\share"])("%s is a path on Windows", (text) => {
		expect(parseEndpoint(text, "win32")).toEqual(local(text));
	});

	test("refuses what can be neither", () => {
		for (const text of ["", "Box:x", "-a:x", "a_b:x", `${"a".repeat(33)}:x`, "vm:a\0b", "a b:c", "\u001b[31m:x"]) {
			expect(() => parseEndpoint(text, "linux")).toThrow(Fault);
		}
	});

	test("any machine and absolute path come back as they were", () => {
		fc.assert(
			fc.property(fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/), fc.stringMatching(/^\/[^\0]*$/), (name, path) => {
				expect(parseEndpoint(`${name}:${path}`, "linux")).toEqual(remote(name, path));
			}),
		);
	});

	test("any text is an endpoint or a usage fault, and one that starts with ./ is here", () => {
		fc.assert(
			fc.property(
				fc.string({ unit: "binary" }),
				fc.constantFrom("linux" as const, "win32" as const),
				(text, platform) => {
					if (!text.includes("\0")) expect(parseEndpoint(`./${text}`, platform)).toEqual(local(`./${text}`));
					try {
						const endpoint = parseEndpoint(text, platform);
						if (endpoint.kind === "remote") expect(endpoint.path).not.toBe("");
					} catch (error) {
						expect(error instanceof Fault && error.exitCode === EXIT.usage).toBe(true);
					}
				},
			),
		);
	});
});

describe("parseCopy", () => {
	test("needs exactly one side in a machine", () => {
		expect(parseCopy("vm:a", "b", "linux")).toMatchObject({ direction: "download", local: local("b") });
		expect(parseCopy("-", ":b", "linux")).toMatchObject({ direction: "upload", local: { kind: "stream" } });
		expect(() => parseCopy("a", "b", "linux")).toThrow("Neither side is in a machine");
		expect(() => parseCopy("-", "-", "linux")).toThrow("Neither side is in a machine");
		expect(() => parseCopy("a:b", ":c", "linux")).toThrow("Both sides are in a machine");
	});
});

describe("destinations", () => {
	test.each([
		["a", "a"],
		["a/b//", "b"],
		["/", null],
		[".", null],
		["..", null],
		["a/.", null],
		["a/..", null],
		["a:", "a:"],
		["a\\b", "a\\b"],
	])("the copy's name of %s", (path, name) => expect(copyName(path, false)).toBe(name));

	test("the copy's name on Windows", () => {
		expect(["C:\\", "C:\\a\\b", "C:/a", "a\\."].map((path) => copyName(path, true))).toEqual([null, "b", "a", null]);
	});

	test("a backslash at the end is a name here, and a folder on Windows", () => {
		const wanted = { name: "x", sourceIsFolder: false, destination: "a\\", found: "missing" } as const;
		const join = (folder: string, name: string) => `${folder}/${name}`;
		expect(placeOf({ ...wanted, windows: false }, join)).toBe("a\\");
		expect(() => placeOf({ ...wanted, windows: true }, join)).toThrow("does not exist");
	});
});
