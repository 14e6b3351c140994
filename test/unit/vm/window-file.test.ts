import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { WindowPlan } from "../../../src/plan/window.ts";
import { WindowFile } from "../../../src/vm/window-file.ts";

const folder = mkdtempSync(join(tmpdir(), "vg-window-"));
afterAll(() => rmSync(folder, { recursive: true }));

const plan: WindowPlan = { title: "t", width: 1600, height: 1000, state: "plain", scale: 1, keymap: null };
const path = join(folder, "window");
const text = () => readFileSync(path, "latin1");

test("says what is going on, in as many bytes as the library maps", () => {
	using file = new WindowFile(path, plan);
	expect(text()).toBe("size 1600x1000\nshow picture\nsay starting\n".padEnd(256, "\0"));
	file.say("opening the terminal");
	expect(text()).toBe("size 1600x1000\nshow picture\nsay opening the terminal\n".padEnd(256, "\0"));
	file.showGuest();
	expect(text()).toBe("size 1600x1000\nshow guest\n".padEnd(256, "\0"));
});

test("keeps to letters that the picture has, and to its length", () => {
	using file = new WindowFile(path, { ...plan, state: "maximized" });
	file.say(`A\nshow guest ${"x".repeat(500)}`);
	expect(text()).toHaveLength(256);
	expect(text().split("\n").slice(0, 3)).toEqual(["maximized", "size 1600x1000", "show picture"]);
	expect(text()).toContain(`say a show guest ${"x".repeat(50)}`);
});

test("after the end nothing is written", () => {
	const file = new WindowFile(path, plan);
	file[Symbol.dispose]();
	const before = text();
	file.showGuest();
	file[Symbol.dispose]();
	expect(text()).toBe(before);
});
