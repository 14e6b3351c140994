/** The reader of Ghostty's files against a real file system, and where they are looked for. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CONFIG_BYTES_MAX, configReader } from "../../../src/host/ghostty-files.ts";
import { ghosttyPlaces } from "../../../src/host/ghostty-places.ts";

let folder: string;
const at = (name: string) => join(folder, name);
const isRoot = process.getuid?.() === 0;

beforeAll(() => {
	folder = mkdtempSync(join(tmpdir(), "vg-ghostty-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("a file is read", () => {
	test("as it is, and under another name it is the same file", () => {
		writeFileSync(at("config"), "font-size = 12\n");
		symlinkSync("config", at("link"));
		const [one, other] = [configReader.read(at("config")), configReader.read(at("link"))];
		expect(one).toMatchObject({ kind: "text", text: "font-size = 12\n" });
		expect(other).toEqual(one);
	});

	test("up to its limit", () => {
		writeFileSync(at("largest"), "#".repeat(CONFIG_BYTES_MAX));
		writeFileSync(at("too-large"), "#".repeat(CONFIG_BYTES_MAX + 1));
		expect(configReader.read(at("largest"))).toMatchObject({ kind: "text" });
		expect(configReader.read(at("too-large"))).toEqual({ kind: "refused", why: "it has more than 256 KiB" });
	});
});

describe("a file is not read, and nothing waits for it", () => {
	test("because it is not there", () => {
		symlinkSync("nowhere", at("dangling"));
		for (const name of ["missing", "missing/more", "config/more", "dangling"])
			expect([name, configReader.read(at(name))]).toEqual([name, { kind: "missing" }]);
	});

	test("because it is a pipe, a device, a folder, or a circle of links", () => {
		expect(Bun.spawnSync(["mkfifo", at("fifo")]).exitCode).toBe(0);
		mkdirSync(at("folder"));
		symlinkSync("circle", at("circle"));
		for (const path of [at("fifo"), "/dev/zero", "/dev/tty", at("folder")])
			expect([path, configReader.read(path)]).toEqual([path, { kind: "refused", why: "it is no regular file" }]);
		expect(configReader.read(at("circle")).kind).toBe("refused");
	});

	test("because it says nothing about its size, as files of /proc do, and is endless or too long", () => {
		// Of size 0 for stat, and readable: it is text, and no setting of it gets through.
		expect(configReader.read("/proc/self/status").kind).toBe("text");
	});

	test.skipIf(!isRoot)("because it belongs to somebody else", () => {
		writeFileSync(at("theirs"), "");
		chownSync(at("theirs"), 12345, 12345);
		expect(configReader.read(at("theirs"))).toEqual({ kind: "refused", why: "it belongs to somebody else" });
	});

	test.skipIf(isRoot)("because it may not", () => {
		writeFileSync(at("closed"), "");
		chmodSync(at("closed"), 0);
		expect(configReader.read(at("closed"))).toMatchObject({ kind: "refused" });
	});
});

describe("places", () => {
	test("on Linux", () => {
		expect(ghosttyPlaces("linux", {}, "/h")).toEqual({
			mains: ["/h/.config/ghostty/config", "/h/.config/ghostty/config.ghostty"],
			themeFolders: [
				"/h/.config/ghostty/themes",
				"/usr/local/share/ghostty/themes",
				"/usr/share/ghostty/themes",
				"/snap/ghostty/current/share/ghostty/themes",
			],
		});
	});

	test("variables count if they are absolute", () => {
		const env = { XDG_CONFIG_HOME: "/x", XDG_DATA_DIRS: "/nix/share:relative", GHOSTTY_RESOURCES_DIR: "/r/ghostty" };
		const { mains, themeFolders } = ghosttyPlaces("linux", env, "/h");
		expect(mains[0]).toBe("/x/ghostty/config");
		expect(themeFolders.slice(0, 3)).toEqual(["/x/ghostty/themes", "/r/ghostty/themes", "/nix/share/ghostty/themes"]);
		expect(ghosttyPlaces("linux", { XDG_CONFIG_HOME: "x" }, "/h").mains[0]).toBe("/h/.config/ghostty/config");
	});

	test("macOS has two, and its own counts more", () => {
		const { mains, themeFolders } = ghosttyPlaces("darwin", {}, "/Users/h");
		expect(mains.at(-1)).toBe("/Users/h/Library/Application Support/com.mitchellh.ghostty/config.ghostty");
		expect(mains).toHaveLength(4);
		expect(themeFolders).toContain("/Applications/Ghostty.app/Contents/Resources/ghostty/themes");
	});
});
