import { describe, expect, test } from "bun:test";
import { INCLUDE_DEPTH_MAX, INCLUDED_FILES_MAX, openTheme } from "../../../src/ghostty/collect.ts";
import { mix, parseColour } from "../../../src/ghostty/colours.ts";
import { type ReduceOptions, reduce, writeConfig } from "../../../src/ghostty/reduce.ts";
import { chooseTheme } from "../../../src/ghostty/theme.ts";
import { collectFiles, HOME, readerOf, THEME_FOLDERS } from "./cases.ts";

const MAIN = `${HOME}/.config/ghostty/config`;
const reduced = (text: string, options: ReduceOptions = {}) =>
	writeConfig(reduce(collectFiles({ [MAIN]: text }), options));
const themeOf = (text: string) => ({ path: "/t", lines: [{ key: "background", value: text, number: 1 }] });

describe("wishes of one run", () => {
	test("the size of the font takes the place of the configuration's", () => {
		expect(reduced("font-size = 10", { fontSize: 20 })).toBe("font-size = 20\n");
		expect(reduced("", { fontSize: 20 })).toBe("font-size = 20\n");
	});

	test("a theme takes the place of the theme and of every colour, and of nothing else", () => {
		const text = "theme = unknown\nbackground = #111111\npalette = 1=#ff0000\nfont-size = 9";
		expect(reduced(text, { theme: themeOf("#222222") })).toBe("font-size = 9\nbackground = #222222\n");
		expect(reduced(text, { theme: { name: "Other" } })).toBe("font-size = 9\ntheme = Other\n");
	});

	test("a theme of the configuration lies under its own colours", () => {
		const files = {
			[MAIN]: "background = #111111\ntheme = T",
			[`${THEME_FOLDERS[1]}/T`]: "background=#222222\nforeground=#333333",
		};
		expect(writeConfig(reduce(collectFiles(files)))).toBe("background = #111111\nforeground = #333333\n");
	});

	test("trust colours tint the background that is there, each word in another way", () => {
		const tinted = (["none", "internet", "host"] as const).map((trust) => reduced("background = #000000", { trust }));
		expect(tinted).toEqual(["background = #061e0d\n", "background = #281d02\n", "background = #2a0609\n"]);
		expect(reduced("", { trust: "host" })).toBe("background = #492831\n");
		expect(reduced("background = #000000", { trust: null })).toBe("background = #000000\n");
	});
});

test("themes for light and dark", () => {
	for (const [value, scheme, chosen] of [
		["Nord", "dark", "Nord"],
		["", "dark", null],
		["light:A,dark:B", "light", "A"],
		["dark: B C , light: A", "dark", "B C"],
		["light:A", "light", null],
		["light:A,dark:", "light", null],
		["light:A,other:B", "light", null],
	] as const)
		expect([value, chooseTheme(value, () => scheme)]).toEqual([value, chosen]);
});

test("a theme's name opens no other folder, and its path only what the reader gives", () => {
	const options = {
		reader: readerOf({ "/x/y": "a=b" }),
		home: HOME,
		themeFolders: THEME_FOLDERS,
		scheme: () => "dark" as const,
	};
	expect(openTheme("/x/y", options)).toMatchObject({ path: "/x/y" });
	expect(openTheme("/x/z", options)).toEqual({ why: "there is no /x/z" });
	expect(openTheme("Some Name", options)).toEqual({ name: "Some Name" });
	for (const name of ["../x/y", "a/b", ".hidden", "a\nb", " a", "light:../x,dark:../x"])
		expect([name, openTheme(name, options)]).toMatchObject([name, { why: expect.any(String) }]);
});

test("colours", () => {
	for (const [text, colour] of [
		["#abc", "#aabbcc"],
		["ABCDEF", "#abcdef"],
		["gray50", "#7f7f7f"],
		["Grey100", "#ffffff"],
		["Dodger Blue", "#1e90ff"],
		["#abcd", null],
		["constructor", null],
		["gray101", null],
		["", null],
	] as const)
		expect([text, parseColour(text)]).toEqual([text, colour]);
	expect(mix("#000000", "#ffffff", 0.5)).toBe("#808080");
});

describe("limits", () => {
	test("includes in a long chain", () => {
		const name = (index: number) => `${HOME}/.config/ghostty/${index}`;
		const files: Record<string, string> = { [MAIN]: "config-file = 0" };
		for (let i = 0; i < 20; i++) files[name(i)] = `config-file = ${i + 1}\nfont-size = ${i + 5}`;
		const collected = collectFiles(files);
		expect(collected.files.length).toBe(1 + INCLUDE_DEPTH_MAX);
		expect(collected.dropped.at(-1)?.why).toContain("is included through more than");
	});

	test("many includes", () => {
		const files: Record<string, string> = { [MAIN]: "" };
		for (let i = 0; i < 100; i++) {
			files[MAIN] += `config-file = ${i}\n`;
			files[`${HOME}/.config/ghostty/${i}`] = "";
		}
		expect(collectFiles(files).files.length).toBe(INCLUDED_FILES_MAX);
	});

	test("a long line, many bindings, many lines", () => {
		expect(reduced(`keybind = ctrl+a>${"x".repeat(5000)}=reset`)).toBe("");
		const keys = Array.from({ length: 2000 }, (_, index) => `keybind = ctrl+key${index}=reset`).join("\n");
		expect(reduced(keys).split("\n").length - 1).toBe(512);
		expect(reduced(`${"\n".repeat(30_000)}${"font-size=9\n".repeat(30_000)}`)).toBe("font-size = 9\n");
	});
});
