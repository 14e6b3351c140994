import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Step, step } from "../../../vm-assets/build/cache.ts";
import { type Context, cacheFolder } from "../../../vm-assets/build/context.ts";
import { hashPaths } from "../../../vm-assets/build/hash.ts";

let folder: string;
let context: Context;
let made: number;

beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "vg-cache-test-"));
	context = {
		repo: join(folder, "repo"),
		cache: join(folder, "cache"),
		arch: "x64",
		fast: false,
		refresh: false,
		made: new Set(),
	};
	mkdirSync(context.repo);
	writeFileSync(join(context.repo, "recipe"), "one");
	made = 0;
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function make(
	changes: { readonly parameters?: unknown; readonly uses?: readonly Step[]; readonly fail?: boolean } = {},
) {
	const { fail, ...spec } = changes;
	return step(context, {
		...{ name: "thing", title: "thing", recipe: ["recipe"], ...spec },
		make: async ({ dir }) => {
			made += 1;
			await Bun.write(join(dir, "product"), "x");
			if (fail === true) throw new Error("half-way");
		},
	});
}

test("a step is made once, and again when recipe, parameters or a used step change", async () => {
	const first = await make();
	expect((await make()).key).toBe(first.key);
	expect(made).toBe(1);
	expect(first.dir).toBe(join(context.cache, `thing-${first.key}`));
	expect(first.key).toMatch(/^[0-9a-f]{12}$/);
	writeFileSync(join(context.repo, "recipe"), "two");
	const second = await make();
	const third = await make({ parameters: { fast: true } });
	const fourth = await make({ uses: [second] });
	expect(new Set([first.key, second.key, third.key, fourth.key]).size).toBe(4);
	expect(made).toBe(4);
});

test("a failed step leaves nothing that looks finished", async () => {
	expect(make({ fail: true })).rejects.toThrow("half-way");
	await make({ fail: true }).catch(() => undefined);
	expect(readdirSync(context.cache).filter((name) => name !== "logs")).toEqual([]);
});

test("--refresh makes a finished step anew, but only once in a build", async () => {
	await make();
	context = { ...context, refresh: true, made: new Set() };
	await make();
	await make();
	expect(made).toBe(2);
});

test("no more than three entries are kept, the newest among them", async () => {
	const steps: Step[] = [];
	for (const parameters of [1, 2, 3, 4]) steps.push(await make({ parameters }));
	expect(steps.filter(({ dir }) => existsSync(dir))).toHaveLength(3);
	expect(existsSync(steps[3]?.dir ?? "")).toBe(true);
});

test("content hashes see names, modes, links and missing files", () => {
	const hash = () => hashPaths(context.repo, ["recipe", "folder", "absent"]);
	const hashes = [hash()];
	mkdirSync(join(context.repo, "folder"));
	hashes.push(hash());
	symlinkSync("nowhere", join(context.repo, "folder/link"));
	hashes.push(hash());
	writeFileSync(join(context.repo, "absent"), "");
	hashes.push(hash());
	expect(new Set(hashes).size).toBe(4);
	expect(hash()).toBe(hash());
});

test("the cache folder follows the environment; a relative XDG folder is ignored, as its specification says", () => {
	expect(cacheFolder({ VIRTUALGHOST_BUILD_CACHE: "/a", XDG_CACHE_HOME: "/b" })).toBe("/a");
	expect(cacheFolder({ XDG_CACHE_HOME: "/b" })).toBe("/b/virtualghost-build");
	expect(cacheFolder({ XDG_CACHE_HOME: "b" })).toEndWith("/.cache/virtualghost-build");
});
