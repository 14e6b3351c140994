import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { makeLook, writeLook } from "../../../src/vm/look.ts";
import { writeTar } from "../../../src/vm/tar.ts";
import { faultOf } from "../fault-of.ts";

let folder: string;
beforeAll(() => {
	folder = mkdtempSync(join(tmpdir(), "vg-look-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("tar takes what we write: names, sizes up to a block's edge, modes, owners", () => {
	const files = [0, 1, 511, 512, 513, 70_000].map((size) => ({
		name: `a/b/${size}`,
		content: new Uint8Array(size).fill(65),
	}));
	const archive = join(folder, "x.tar");
	writeFileSync(archive, writeTar(files));
	const listed = Bun.spawnSync(["tar", "-tvf", archive, "--utc"]).stdout.toString().trim().split("\n");
	expect(listed).toEqual(
		files.map(({ name, content }) =>
			expect.stringMatching(new RegExp(`^-rw-r--r-- 0/0 +${content.length} 1970-01-01 00:00 ${name}$`)),
		),
	);
	mkdirSync(join(folder, "out"));
	expect(Bun.spawnSync(["tar", "-xf", archive, "-C", join(folder, "out"), "--no-same-owner"]).exitCode).toBe(0);
	for (const { name, content } of files) expect(readFileSync(join(folder, "out", name)).equals(content)).toBe(true);
	expect(readFileSync(archive).length % 10_240).toBe(0);
	expect(() => writeTar([{ name: "x".repeat(101), content: new Uint8Array() }])).toThrow();
});

const parts = (conf: string) => ({ ghosttyConf: conf, footIni: "", fonts: [] });

test("the name is the content's, what is damaged is made anew, and old ones go", () => {
	const cache = join(folder, "cache");
	const look = makeLook(cache, parts("font-size = 12\n"));
	expect(makeLook(cache, parts("font-size = 12\n")).path).toBe(look.path);
	expect(makeLook(cache, parts("font-size = 13\n")).path).not.toBe(look.path);
	expect(existsSync(cache)).toBe(false);
	writeLook(look);
	writeFileSync(look.path, "damaged");
	writeLook(look);
	expect(readFileSync(look.path).equals(look.archive)).toBe(true);
	for (let size = 4; size < 40; size++) writeLook(makeLook(cache, parts(`font-size = ${size}\n`)));
	expect(readdirSync(dirname(look.path))).toHaveLength(8);
});

test("fonts lose their names; one that cannot be read, and a folder that cannot be made, are faults", () => {
	const font = join(folder, "My Secret Project.TTF");
	writeFileSync(font, "font");
	const { archive } = makeLook(folder, { ...parts(""), fonts: [{ path: font }] });
	expect(Buffer.from(archive).includes("usr/local/share/fonts/host/0.ttf")).toBe(true);
	expect(Buffer.from(archive).includes("Secret")).toBe(false);
	const missing = faultOf(() => makeLook(folder, { ...parts(""), fonts: [{ path: `${font}x` }] }));
	expect(missing.message).toContain("cannot be read");
	const nowhere = faultOf(() => writeLook(makeLook(font, parts(""))));
	expect(nowhere.message).toBe("The terminal's configuration cannot be written");
});
