/** The folder names are the architecture: imports point one way, and `plan/` and `config/` touch nothing outside. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

const ROOT = join(import.meta.dir, "../..");

/** Folder (or file) -> what it may import from, besides itself and packages. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
	"src/errors.ts": [],
	"src/version.ts": ["package.json"],
	"src/quick-answer.ts": [],
	"src/interrupts.ts": ["src/errors.ts"],
	"src/wire": [],
	"src/filter": [],
	"src/config": ["src/filter", "src/errors.ts"],
	"src/plan": ["src/config", "src/filter", "src/wire", "src/errors.ts"],
	"src/ghostty": ["src/config"],
	"src/host": ["src/plan", "src/ghostty", "src/errors.ts"],
	"src/vfio": ["src/config", "src/host", "src/plan", "src/wire", "src/errors.ts"],
	"src/network": ["src/filter", "src/plan", "src/wire", "src/errors.ts"],
	"src/ssh": ["src/wire", "src/errors.ts"],
	"src/vm": [
		"src/config",
		"src/filter",
		"src/plan",
		"src/host",
		"src/vfio",
		"src/network",
		"src/ssh",
		"src/wire",
		"src/errors.ts",
		"src/interrupts.ts",
		"src/version.ts",
	],
	"src/files": ["src/vm", "src/ssh", "src/host", "src/plan", "src/config", "src/wire", "src/errors.ts"],
	"src/smoke": ["src/vm", "src/ssh", "src/plan", "src/wire", "src/config", "src/errors.ts"],
	"src/cli": ["src"],
	"src/main.ts": ["src/cli", "src/vm"],
	agent: ["src/wire", "package.json"],
};

const PURE = ["src/plan", "src/config", "src/filter", "src/ghostty", "src/wire"];

const files = [...new Bun.Glob("{src,agent}/**/*.ts").scanSync(ROOT)].sort();
const importsOf = (text: string) =>
	[...text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map((match) => match[1] ?? "");
const isIn = (path: string, place: string) => path === place || path.startsWith(`${place}/`);
const owner = (path: string) => Object.keys(MAY_IMPORT).find((place) => isIn(path, place));

test("every source file belongs to a known folder", () => {
	expect(files.length).toBeGreaterThan(40);
	expect(files.filter((file) => owner(file) === undefined)).toEqual([]);
});

test("imports point one way", () => {
	const wrong: string[] = [];
	for (const file of files) {
		const place = owner(file) ?? "";
		for (const imported of importsOf(readFileSync(join(ROOT, file), "utf8"))) {
			if (!imported.startsWith(".")) continue;
			const target = normalize(join(dirname(file), imported));
			if (isIn(target, place) || MAY_IMPORT[place]?.some((allowed) => isIn(target, allowed))) continue;
			wrong.push(`${file} -> ${target}`);
		}
	}
	expect(wrong).toEqual([]);
});

test("the pure folders spawn nothing, read nothing and look at no environment", () => {
	const wrong: string[] = [];
	for (const file of files.filter((each) => PURE.some((place) => isIn(each, place)))) {
		const code = readFileSync(join(ROOT, file), "utf8").replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
		if (/"(?:node:(?!path|util)|bun(?::|"))/.test(code)) wrong.push(`${file} imports a system module`);
		if (/\b(?:process|Bun)\./.test(code)) wrong.push(`${file} uses process or Bun`);
	}
	expect(wrong).toEqual([]);
});
