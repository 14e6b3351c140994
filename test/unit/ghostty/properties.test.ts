/** Whatever a configuration is like: only allowed keys with values of their kind come out, and nothing of what was left out. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type ConfigReader, collect, INCLUDED_FILES_MAX, openTheme } from "../../../src/ghostty/collect.ts";
import { toFoot } from "../../../src/ghostty/foot.ts";
import { ALLOWED } from "../../../src/ghostty/keys.ts";
import { parseLines } from "../../../src/ghostty/lines.ts";
import { reduce, writeConfig } from "../../../src/ghostty/reduce.ts";
import { CASE_NAMES, collectFiles, HOME, readCase, readerOf, THEME_FOLDERS } from "./cases.ts";

const MAIN = `${HOME}/.config/ghostty/config`;
const THEME = `${THEME_FOLDERS[0]}/T`;

/** Keys that run, read, type, or reach out, as Ghostty's documentation names them. */
const FORBIDDEN = [
	...["command", "initial-command", "command-palette-entry", "input", "env", "enquiry-response", "working-directory"],
	...["custom-shader", "custom-shader-animation", "background-image", "background-image-fit", "bell-audio-path"],
	...["bell-features", "gtk-custom-css", "gtk-titlebar", "gtk-single-instance", "linux-cgroup", "link", "link-url"],
	...["clipboard-read", "clipboard-write", "clipboard-paste-protection", "clipboard-trim-trailing-spaces"],
	...["copy-on-select", "right-click-action", "title-report", "osc-color-report-format", "desktop-notifications"],
	...["config-default-files", "class", "title", "term", "window-inherit-working-directory", "window-decoration"],
	...["fullscreen", "confirm-close-surface", "quit-after-last-window-closed", "auto-update", "async-backend"],
	...["macos-custom-icon", "macos-auto-secure-input", "quick-terminal-screen", "notify-on-command-finish-action"],
	...["wait-after-command", "abnormal-command-exit-runtime", "vt-kam-allowed", "image-storage-limit", "config-file"],
];

/** A word that must not come out anywhere. */
const MARK = "Zq7MARKzq";

function outputs(text: string, more: Readonly<Record<string, string>> = {}): { conf: string; foot: string } {
	const reduced = reduce(collectFiles({ [MAIN]: text, ...more }));
	return { conf: writeConfig(reduced), foot: toFoot(reduced, { hasFont: () => true }).text };
}

/** Whatever Ghostty's own reading makes of the output: lines of one allowed key and one value each. */
function expectSound({ conf, foot }: { conf: string; foot: string }): void {
	for (const line of conf.split("\n").slice(0, -1)) {
		const [, key = "", value = ""] = /^([a-z-]+) = (\S(?:.*\S)?)$/u.exec(line) ?? [];
		expect([line, ALLOWED.has(key) || key === "theme"]).toEqual([line, true]);
		expect([line, FORBIDDEN.includes(key)]).toEqual([line, false]);
		expect(value).not.toMatch(/\p{C}/u);
		if (key === "theme") expect(value).not.toMatch(/[/\\]|\.\./);
	}
	for (const line of foot.split("\n").filter((each) => each !== "")) expect(line).toMatch(FOOT_LINE);
}

const NUMBER = String.raw`\d+(\.\d+)?`;
const FOOT_LINE = new RegExp(
	[
		String.raw`^include=/usr/share/virtualghost/foot\.ini$`,
		String.raw`^\[(main|scrollback|mouse|cursor|key-bindings|colors)\]$`,
		// Fonts: names whose pattern characters are escaped, a size, at most a style.
		String.raw`^font(-bold|-italic|-bold-italic)?=(((\\-|[^\\:/\p{C}-])+:size=${NUMBER}(:style=(\\-|[^\\:/,\p{C}-])+)?),?)+$`,
		String.raw`^(pad=\d+x\d+|bold-text-in-bright=yes|lines=\d+|hide-when-typing=(yes|no)|blink=(yes|no))$`,
		"^style=(block|hollow|beam|underline)$",
		"^color=[0-9a-f]{6} [0-9a-f]{6}$",
		String.raw`^[a-z-]+=(none|(((Control|Shift|Mod1|Mod4)\+)*\w+ ?)+)$`,
		String.raw`^(background|foreground|regular[0-7]|bright[0-7]|\d{1,3}|selection-(fore|back)ground)=[0-9a-f]{6}$`,
	].join("|"),
	"u",
);

/** White space, quotes and invisible characters in places where a reader might be lenient. */
const noise = fc.constantFrom("", " ", "\t", "\r", '"', "'", "\u00a0", "\u200b", "\ufeff", "\0", "\v", "--", "#", "\\");
const casing = fc.constantFrom(
	(key: string) => key,
	(key: string) => key.toUpperCase(),
	(key: string) => key.replaceAll("-", "_"),
	(key: string) => key.replaceAll("a", "а"),
	(key: string) => `${key[0]?.toUpperCase()}${key.slice(1)}`,
);
const wrap = fc.constantFrom(
	(text: string) => text,
	(text: string) => `"${text}"`,
	(text: string) => `""${text}""`,
	(text: string) => `'${text}'`,
	(text: string) => ` ${text} # comment`,
	(text: string) => `font-size = 12 ${text}`,
);
const forbiddenLine = fc
	.tuple(fc.constantFrom(...FORBIDDEN), casing, noise, noise, noise, wrap)
	.map(([key, spell, before, after, inside, quote]) => `${before}${spell(key)}${after}=${inside}${quote(MARK)}`);
const neighbour = fc.constantFrom("font-size = 12", "# comment", "", "background = #000", "config-file =", "theme = T");
const ends = fc.constantFrom("\n", "\r\n", "\n\r", "\r");

describe("keys that are not allowed", () => {
	test("are not on the list", () => {
		expect(FORBIDDEN.filter((key) => ALLOWED.has(key))).toEqual([]);
	});

	test("never come out, however they are spelt, and neither do their values", () => {
		fc.assert(
			fc.property(fc.array(fc.oneof(forbiddenLine, neighbour), { maxLength: 12 }), ends, (lines, end) => {
				const found = outputs(lines.join(end));
				expectSound(found);
				expect(found.conf + found.foot).not.toContain(MARK);
			}),
			{ numRuns: 3000 },
		);
	});

	test("nor through an include, a theme, or both", () => {
		const text = fc.array(fc.oneof(forbiddenLine, neighbour), { maxLength: 6 }).map((lines) => lines.join("\n"));
		fc.assert(
			fc.property(text, text, text, (main, included, theme) => {
				const files = { [`${HOME}/.config/ghostty/more`]: included, [THEME]: theme };
				const found = outputs(`theme = T\nconfig-file = more\n${main}\nconfig-file = ?"more"\n`, files);
				expectSound(found);
				expect(found.conf + found.foot).not.toContain(MARK);
			}),
			{ numRuns: 1500 },
		);
	});
});

test("key bindings that type, write or run never come out, whatever the key", () => {
	const action = fc.constantFrom("text:", "csi:", "esc:", "cursor_key:", "write_screen_file:", "crash:", "open:", "");
	const trigger = fc.oneof(
		fc.constantFrom("ctrl+a", "ctrl+==", "ctrl+a>b", "global:ctrl+a", "all:x", "chain", "a=ignore\r", "ctrl++"),
		fc.string({ maxLength: 8 }),
	);
	fc.assert(
		fc.property(trigger, action, noise, wrap, (key, name, before, quote) => {
			const found = outputs(`keybind = ${quote(`${key}=${before}${name}${MARK}`)}\nkeybind = ${key}=${name}${MARK}`);
			expectSound(found);
			expect(found.conf + found.foot).not.toContain(MARK);
		}),
		{ numRuns: 3000 },
	);
});

describe("any text at all", () => {
	const anything = fc.oneof(
		fc.string({ maxLength: 400 }),
		fc.string({ unit: "binary", maxLength: 400 }),
		fc
			.array(fc.tuple(fc.constantFrom(...ALLOWED.keys(), "theme", "config-file"), fc.string({ unit: "binary" })), {
				maxLength: 20,
			})
			.map((lines) => lines.map(([key, value]) => `${key}=${value}`).join("\n")),
		fc.constantFrom(...CASE_NAMES).map((name) => Object.values(readCase(name).files).join("\n")),
	);

	test("gives allowed keys with values of their kind, or nothing", () => {
		fc.assert(
			fc.property(anything, (text) => expectSound(outputs(text))),
			{ numRuns: 4000 },
		);
	});

	test("reads back as itself: nothing means more to the next reader than it did to us", () => {
		fc.assert(
			fc.property(anything, (text) => {
				const { conf } = outputs(text);
				expect(outputs(conf).conf).toBe(conf);
				expect(parseLines(conf).length).toBe(conf.split("\n").length - 1);
			}),
			{ numRuns: 3000 },
		);
	});

	test("as a theme gives colours only", () => {
		fc.assert(
			fc.property(anything, (text) => {
				const theme = openTheme("T", {
					reader: readerOf({ [THEME]: text }),
					home: HOME,
					themeFolders: THEME_FOLDERS,
					scheme: () => "dark",
				});
				if ("why" in theme) throw new Error(theme.why);
				for (const { key } of reduce({ files: [], theme: null, dropped: [] }, { theme }).settings)
					expect(ALLOWED.get(key)?.isColour).toBe(true);
			}),
			{ numRuns: 1000 },
		);
	});
});

test("includes end, stay inside, and are read once", () => {
	const names = [
		"a",
		"b",
		"c",
		"d",
		`${HOME}/e`,
		"~/f",
		"../g",
		"../../../etc/passwd",
		"/etc/shadow",
		"?h",
		`${HOME}x/i`,
	];
	const file = fc.array(fc.constantFrom(...names, ""), { maxLength: 5 });
	fc.assert(
		fc.property(fc.array(file, { minLength: 1, maxLength: 8 }), (graph) => {
			const read: string[] = [];
			const reader: ConfigReader = {
				read: (path) => {
					read.push(path);
					const includes = graph[read.length % graph.length] ?? [];
					const text = includes.map((name) => `config-file = ${name}\n`).join("");
					return { kind: "text", id: `${path}${read.length % 3}`, text };
				},
			};
			const options = { reader, home: HOME, themeFolders: [], scheme: () => "dark" as const };
			const { files } = collect({ ...options, mains: [MAIN] });
			expect(files.length).toBeLessThanOrEqual(INCLUDED_FILES_MAX);
			for (const path of read) expect(path).toStartWith(`${HOME}/`);
		}),
		{ numRuns: 2000 },
	);
});
