/** The guest's shell settings in this machine's bash, on a terminal of its own. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BASHRC = join(import.meta.dir, "../../../vm-assets/guest/overlay/etc/bash.bashrc");
const HOSTNAME = readFileSync("/proc/sys/kernel/hostname", "utf8").trim();
let folder: string;

beforeAll(() => {
	folder = mkdtempSync(join(tmpdir(), "vg-bashrc-"));
	for (const [name, head] of [
		["plain", "ref: refs/heads/feature/one\n"],
		["detached", "0123456789abcdef0123456789abcdef01234567\n"],
		["hostile", "ref: refs/heads/x\u001b]0;evil\u0007$(touch pwned)`touch pwned`\\$(touch pwned)\n"],
	] as const) {
		mkdirSync(join(folder, name, ".git"), { recursive: true });
		mkdirSync(join(folder, name, "deep/er"), { recursive: true });
		writeFileSync(join(folder, name, ".git/HEAD"), head);
	}
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What an interactive shell shows for these lines, colours taken out. */
async function shellShows(lines: readonly string[]): Promise<string> {
	let shown = "";
	const decoder = new TextDecoder();
	const child = Bun.spawn(["bash", "--noprofile", "--rcfile", BASHRC, "-i"], {
		cwd: folder,
		env: { HOME: folder, PATH: process.env.PATH, TERM: "xterm", LC_ALL: "C.UTF-8", HISTFILE: "/dev/null" },
		terminal: {
			cols: 200,
			rows: 50,
			data: (_terminal, bytes) => {
				shown += decoder.decode(bytes, { stream: true });
			},
		},
	});
	for (const line of [...lines, "exit"]) child.terminal?.write(`${line}\n`);
	await child.exited;
	// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
	return shown.replaceAll(/\u001b\[[0-9;?]*[A-Za-z]/g, "");
}

test("the prompt has the machine's name, the folder, and the branch of a checkout from anywhere in it", async () => {
	const shown = await shellShows([`cd ${folder}/plain/deep/er`, `cd ${folder}/detached`, "cd ~"]);
	expect(shown).toContain(`@${HOSTNAME}:~`);
	expect(shown).toContain("deep/er (feature/one)");
	expect(shown).toContain("detached (01234567)");
});

test("a branch's name neither runs nor reaches the terminal's controls", async () => {
	const shown = await shellShows([`cd ${folder}/hostile`, "ls -A"]);
	expect(shown).toContain("(x]0;evil$(touch pwned)");
	expect(shown).not.toContain("\u001b]0;");
	expect(shown).not.toMatch(/^pwned/m);
});
