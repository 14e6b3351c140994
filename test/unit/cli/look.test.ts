/** A run's look from files of a home of our own, as the launcher reads them. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Context } from "../../../src/cli/context.ts";
import { explainTerminal } from "../../../src/cli/doctor-terminal.ts";
import { findLook } from "../../../src/cli/look.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { writeConfig } from "../../../src/ghostty/reduce.ts";
import type { Manifest } from "../../../src/vm/manifest.ts";
import { faultOf } from "../fault-of.ts";

let home: string;
beforeAll(() => {
	home = mkdtempSync(join(tmpdir(), "vg-home-"));
	mkdirSync(join(home, ".config/ghostty/themes"), { recursive: true });
	writeFileSync(join(home, ".config/ghostty/themes/Mine"), "background = #010203\n");
	writeFileSync(join(home, "other.conf"), "font-size = 20\nconfig-file = more.conf\n");
	writeFileSync(join(home, "more.conf"), "cursor-style = bar\ncommand = sh\n");
});
afterAll(() => rmSync(home, { recursive: true }));

function contextOf(terminal?: { name: string; standIn: boolean }): Context {
	const manifest = terminal ? ({ terminal: { ...terminal, version: "1" } } as Manifest) : null;
	const directories = { home, config: home, cache: join(home, "cache"), state: home, data: home, runtime: home };
	return { env: {}, embedded: { manifest, files: {} }, directories, verbose: false };
}

const configOf = (flags: Readonly<Record<string, string>>) =>
	loadConfig({ file: null, env: {}, flags, home, cwd: home }).config;
const found = (flags: Readonly<Record<string, string>>, context = contextOf()) => findLook(context, configOf(flags));

test("without a configuration there is no look, and none for a machine without a screen", () => {
	expect(found({})).toMatchObject({ look: null, files: [], details: [] });
	expect(found({ "ghostty-config": "other.conf", gpu: "none" })).toBeNull();
	expect(explainTerminal(contextOf(), configOf({}))).toMatchObject({
		finding: { verdict: "ok" },
		lines: [],
		ghostty: null,
	});
});

test("a file that is named, its include, and what is left out", () => {
	const look = found({ "ghostty-config": "other.conf" });
	expect(writeConfig(look?.reduced ?? { settings: [] })).toBe("font-size = 20\ncursor-style = bar\n");
	expect(look?.look?.path).toMatch(/cache\/looks\/[0-9a-f]{16}\.tar$/);
	expect(look?.details.at(-1)).toBe(`ghostty: left out: ${home}/more.conf:2: command: it runs a program, or may`);
	// Looking changes nothing.
	expect(existsSync(join(home, "cache"))).toBe(false);
	const explained = explainTerminal(contextOf(), configOf({ "ghostty-config": "other.conf", gpu: "none" }));
	expect(explained.finding.text).toContain("2 settings from");
	expect(explained.lines).toHaveLength(1);
});

test("themes: of this host by name, as a file, and by name alone where only the guest's Ghostty may know it", () => {
	expect(writeConfig(found({ theme: "Mine" })?.reduced ?? { settings: [] })).toBe("background = #010203\n");
	expect(writeConfig(found({ theme: "./other.conf" })?.reduced ?? { settings: [] })).toBe("");
	const fault = faultOf(() => found({ theme: "Nowhere" }, contextOf({ name: "foot", standIn: true })));
	expect([fault.message, fault.exitCode]).toEqual(['There is no theme "Nowhere"', 2]);
	const ghostty = found({ theme: "Nowhere" }, contextOf({ name: "ghostty", standIn: false }));
	expect(writeConfig(ghostty?.reduced ?? { settings: [] })).toBe("theme = Nowhere\n");
});

test("trust colours follow the network policy that was asked for", () => {
	const background = (flags: Readonly<Record<string, string>>) =>
		found({ "trust-colours": "background", ...flags })?.reduced.settings.find(({ key }) => key === "background")?.value;
	const [internet, none, host] = ["internet", "none", "host"].map((network) => background({ network }));
	expect(new Set([internet, none, host]).size).toBe(3);
	expect(background({})).toBe(internet);
	expect(background({ network: "none", allow: "192.168.1.10:445" })).toBe(internet);
	expect(background({ "trust-colours": "off" })).toBeUndefined();
});

test("a configuration that was asked for and cannot be read is a fault, and doctor says so", () => {
	for (const file of ["missing.conf", "/dev/zero", "."]) {
		const fault = faultOf(() => found({ "ghostty-config": file }));
		expect([file, fault.message, fault.exitCode]).toEqual([file, expect.stringContaining("cannot be read"), 2]);
	}
	const { finding } = explainTerminal(contextOf(), configOf({ "ghostty-config": "missing.conf" }));
	expect(finding).toMatchObject({ verdict: "no", text: expect.stringContaining("cannot be read") });
});
