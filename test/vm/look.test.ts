/** The host's Ghostty configuration in a real guest: what the stand-in shows, cold and from a snapshot, and the fonts that come along. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BINARY, BOOT_TIMEOUT_MS, Sandbox, tool } from "./harness.ts";

const FLAGS = ["--accel", "tcg", "--display", "none", "--gpu", "software", "--memory", "1G"] as const;
const PICTURES = join(import.meta.dir, "../../dist/pictures");
const LOOK = "/usr/share/virtualghost/look";
let sandbox: Sandbox;

const vg = (...args: string[]) => tool([BINARY, ...args], { env: { ...sandbox.env, PATH: "/usr/bin:/bin" } });
const inGuest = (script: string) => vg("exec", "look", "--", "sh", "-c", script);

beforeAll(() => {
	sandbox = new Sandbox();
	const folder = join(sandbox.home, ".config/ghostty");
	mkdirSync(join(folder, "themes"), { recursive: true });
	writeFileSync(join(folder, "config"), CONFIG);
	writeFileSync(join(folder, "themes/Deep Sea"), THEME);
	const fonts = join(sandbox.home, ".local/share/fonts");
	mkdirSync(fonts, { recursive: true });
	writeFileSync(join(fonts, "Own.ttf"), ownFont());
});
afterAll(() => sandbox[Symbol.dispose](), BOOT_TIMEOUT_MS);

/** A font of this machine's under a name that no other has: both are of one length, in each of the font's encodings. */
function ownFont(): Uint8Array {
	const bytes = readFileSync("/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf");
	const spell = (text: string, wide: boolean) => {
		const latin = Buffer.from(text, "latin1");
		return wide ? Buffer.from([...latin].flatMap((byte) => [0, byte])) : latin;
	};
	for (const wide of [false, true]) {
		const [from, to] = ["DejaVu Sans Mono", "Ghosty Test Mono"].map((name) => spell(name, wide));
		if (!from || !to) throw new Error("no name");
		for (let at = bytes.indexOf(from); at >= 0; at = bytes.indexOf(from, at)) to.copy(bytes, at);
	}
	return bytes;
}

/** As large as they get: it has to pass whole. */
const KEYS = Array.from({ length: 400 }, (_, index) => `keybind = ctrl+a>${index + 10}=goto_tab:${(index % 9) + 1}`);
const PALETTE = Array.from(
	{ length: 240 },
	(_, index) => `palette = ${index + 16}=#${index.toString(16).padStart(6, "0")}`,
);
const CONFIG = `# the user's own
theme = Deep Sea
font-family = Ghosty Test Mono
font-family = Nowhere Mono
font-size = 15
cursor-style = bar
window-padding-x = 24
window-padding-y = 24
scrollback-limit = 5000000
command = /usr/bin/tmux
env = TOKEN=very-secret
${KEYS.join("\n")}
${PALETTE.join("\n")}
`;
const THEME = `background = #0b2038
foreground = #cfe8ff
cursor-color = #ffb454
selection-background = #1f4f7a
selection-foreground = #ffffff
palette = 1=#ff6b6b
palette = 2=#7bd88f
palette = 4=#5ab0f6
`;

/** The colour of a pixel in the terminal's padding, `#rrggbb`. */
async function backgroundShown(name: string): Promise<string> {
	const picture = join(PICTURES, `look-${name}.png`);
	mkdirSync(PICTURES, { recursive: true });
	const taken = await vg("screenshot", "look", "-o", picture);
	if (taken.code !== 0) throw new Error(taken.stderr);
	const { stdout } = await tool(["convert", picture, "-crop", "1x1+6+400", "-depth", "8", "txt:-"]);
	return (/#[0-9A-F]{6}/.exec(stdout)?.[0] ?? stdout).toLowerCase();
}

/** dist/pictures/ghostty-config.png, which docs/ghostty-config.md shows: the configuration, and the terminal that it makes. */
async function takePicture(): Promise<void> {
	const shown = [
		...["printf '\\n\\n'; ls --color=always -C -w 60 /usr /etc/systemd; printf '\\n'"],
		...["for i in 0 1 2 3 4 5 6 7; do printf '\\033[4%dm      \\033[0m' $i; done; printf '\\n'"],
		...["for i in 0 1 2 3 4 5 6 7; do printf '\\033[10%dm      \\033[0m' $i; done; printf '\\n'"],
	];
	await inGuest(`tty=$(ls /dev/pts/[0-9]* | head -n 1); { ${shown.join("; ")}; } >$tty; sleep 2`);
	const terminal = join(PICTURES, "look-terminal.png");
	await vg("screenshot", "look", "-o", terminal);
	const head = CONFIG.split("\n").slice(0, 11).join("\n");
	const text = `~/.config/ghostty/config\n\n${head}\n...\n\n~/.config/ghostty/themes/Deep Sea\n\n${THEME}`;
	const panel = ["-size", "420x800", "xc:#f4f1ea", "-font", "DejaVu-Sans-Mono", "-pointsize", "14", "-fill", "#222222"];
	const drawn = [
		"-annotate",
		"+16+30",
		text,
		terminal,
		"+append",
		"-resize",
		"1200x",
		"+dither",
		"-colors",
		"48",
		"-strip",
	];
	const made = await tool(["convert", ...panel, ...drawn, join(PICTURES, "ghostty-config.png")]);
	expect([made.code, made.stderr]).toEqual([0, ""]);
}

async function start(...flags: string[]): Promise<string> {
	const { code, stderr } = await vg("run", "--detach", "-v", "--name", "look", ...FLAGS, ...flags);
	if (code !== 0) throw new Error(stderr);
	return stderr;
}

/** The launcher of a machine in the background says when the terminal is there; so does the guest. */
async function untilDrawn(): Promise<void> {
	const wait = "until [ -e /run/virtualghost/session/terminal-up ]; do sleep 0.2; done; sleep 1";
	const { code, stderr } = await vg("exec", "look", "--", "timeout", "200", "sh", "-c", wait);
	if (code !== 0) throw new Error(stderr);
}

async function stop(): Promise<void> {
	await vg("stop", "look", "--force");
	expect(await sandbox.lingering(10)).toEqual([]);
}

test("doctor and -v say what is taken over, and what is left out and why; nothing is started for it", async () => {
	const { stdout } = await vg("doctor");
	expect(stdout).toMatch(/terminal +ok +\d+ settings from .*\.config\/ghostty\/config; 2 lines are left out/);
	expect(stdout).toContain("command: it runs a program");
	expect(stdout).not.toContain("very-secret");
	const json = JSON.parse((await vg("doctor", "--json")).stdout) as { ghostty: { dropped: { key: string }[] } };
	expect(json.ghostty.dropped.map(({ key }) => key)).toEqual(["command", "env"]);
	const dry = await vg("run", "--dry-run", "--gpu", "software", "--display", "none");
	expect(dry.stdout).toMatch(/looks\/[0-9a-f]{16}\.tar/);
	expect(readdirSync(sandbox.home)).not.toContain(".cache");
});

test("a theme, a file or a size that cannot be had is one clear error", async () => {
	for (const [flags, message] of [
		[["--theme", "No Such Theme"], 'There is no theme "No Such Theme"'],
		[["--theme", "./nowhere"], "There is no theme"],
		[["--ghostty-config", "/dev/zero"], "The Ghostty configuration /dev/zero cannot be read"],
		[["--font-size", "3"], "expected a whole number of points from 4 to 144"],
		[["--trust-colours", "rainbow"], "expected one of off, background"],
	] as const) {
		const { code, stderr } = await vg("run", ...FLAGS, ...flags);
		expect([flags, code, stderr]).toEqual([flags, 2, expect.stringContaining(message)]);
	}
});

describe("the terminal", () => {
	test(
		"cold: shows the theme, has the font of the user's, and nothing that was left out",
		async () => {
			const said = await start("--cold");
			expect(said).toMatch(/font Ghosty Test Mono: .*Own.ttf is handed over/);
			expect(said).toContain("font Nowhere Mono is not handed over: this host has no such font");
			try {
				await untilDrawn();
				expect(await backgroundShown("cold")).toBe("#0b2038");
				// The very first start of this user's: its prompt says what this is, and has the machine's name.
				expect((await inGuest("hostname; ls /run/virtualghost/hint")).stdout).toBe("look\n/run/virtualghost/hint\n");
				await takePicture();
				const { stdout } = await inGuest(
					`foot --check-config --config=${LOOK}/foot.ini && echo sound; wc -l <${LOOK}/ghostty.conf; grep -c keybind ${LOOK}/ghostty.conf; fc-match -f "%{file}\\n" "Ghosty Test Mono"; ps -o args= -C foot; cat ${LOOK}/*`,
				);
				const [sound, lines, keys, fonts, foot, ...config] = stdout.split("\n");
				expect([sound, keys, fonts]).toEqual(["sound", "400", "/usr/local/share/fonts/host/0.ttf"]);
				expect(Number(lines)).toBeGreaterThan(640);
				expect(foot).toBe(`foot --config=${LOOK}/foot.ini`);
				expect(config.join("\n")).not.toMatch(/tmux|TOKEN|very-secret/);
				expect(config).toContain("pad=24x24");
				// What the terminal's own font lacks, and which font stays the usual one.
				const found = await inGuest(
					"for lang in ja ko zh-cn; do fc-match -f '%{family[0]}\\n' :lang=$lang; done; fc-match -f '%{family[0]}\\n' monospace",
				);
				expect(found.stdout.trim().split("\n")).toEqual([...Array(3).fill("WenQuanYi Micro Hei"), "DejaVu Sans Mono"]);
			} finally {
				await stop();
			}
		},
		BOOT_TIMEOUT_MS,
	);

	test(
		"from a snapshot: its own look, and never that of another configuration",
		async () => {
			const made = await vg("prewarm", ...FLAGS);
			expect([made.code, made.stdout]).toEqual([0, expect.stringMatching(/^software: [0-9a-f]{20}/)]);
			const said = await start();
			expect(said).toMatch(/snapshot: [0-9a-f]{20}/);
			await untilDrawn();
			expect(await backgroundShown("warm")).toBe("#0b2038");
			await stop();
			const other = await start("--theme", join(sandbox.home, ".config/ghostty/themes/Deep Sea"), "--font-size", "30");
			expect(other).toContain("snapshot: none yet");
			await stop();
			const none = await start("--ghostty-config", "none", "--trust-colours", "background", "--network", "none");
			expect(none).toContain("snapshot: none yet");
			await untilDrawn();
			// Nothing gets out of the machine: green over Ghostty's own.
			expect(await backgroundShown("trust")).toBe("#254135");
			expect((await inGuest("ls /run/virtualghost/hint")).code).not.toBe(0);
			await stop();
		},
		2 * BOOT_TIMEOUT_MS,
	);
});
