/** The Host block as OpenSSH itself reads it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sshConfigBlock } from "../../../src/cli/ssh-config.ts";

const SSH = Bun.which("ssh");
let folder: string;
beforeAll(() => {
	folder = realpathSync(mkdtempSync(join(tmpdir(), "vg-ssh-config-")));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What OpenSSH makes of it; keys in lower case, as `ssh -G` prints them. */
function read(block: string, host: string): Map<string, string> {
	const file = join(folder, "config");
	writeFileSync(file, block);
	const { stdout, stderr } = spawnSync("ssh", ["-G", "-F", file, host]);
	expect(stderr.toString()).not.toContain(file);
	const pairs = stdout
		.toString()
		.split("\n")
		.map((line) => line.split(/ (.*)/s));
	return new Map(pairs.map(([key = "", value = ""]) => [key, value]));
}

/** Lets OpenSSH open files and start the proxy: what it asked of each, seen from outside. */
function connect(name: string, at: string) {
	mkdirSync(at, { recursive: true });
	const said = join(folder, "said");
	rmSync(said, { force: true });
	const program = join(at, "virtual ghost");
	writeFileSync(program, `#!/bin/sh\nprintf '%s\\n' "$@" >'${said}'\n`, { mode: 0o755 });
	const file = join(folder, "config");
	writeFileSync(file, sshConfigBlock({ name, folder: at, program }));
	const { stderr } = spawnSync("ssh", ["-v", "-F", file, "ghost"], {
		env: { PATH: process.env.PATH, SHELL: "/bin/sh" },
	});
	return {
		proxied: existsSync(said) ? readFileSync(said, "utf8") : null,
		identity: unescaped(/identity file (.*) type/.exec(stderr.toString())?.[1] ?? ""),
	};
}

/** Undoes vis(3), which OpenSSH's log goes through. */
function unescaped(text: string): string {
	const bytes = text.replaceAll(/\\(\\|[0-7]{3})/g, (_, code: string) =>
		code === "\\" ? code : String.fromCharCode(Number.parseInt(code, 8)),
	);
	return Buffer.from(bytes, "latin1").toString();
}

describe.skipIf(SSH === null)("ssh -G", () => {
	test("nothing of the user's is used, and nothing is handed to the guest", () => {
		const options = read(sshConfigBlock({ name: "box", folder: "/run/vg/box", program: "/opt/vg" }), "ghost");
		expect(Object.fromEntries(options)).toMatchObject({
			hostname: "box",
			user: "ghost",
			hostkeyalias: "virtualghost-box",
			proxycommand: "'/opt/vg' ssh-proxy box",
			identityfile: "/run/vg/box/id_ed25519",
			userknownhostsfile: "/run/vg/box/known_hosts",
			globalknownhostsfile: "none",
			identitiesonly: "yes",
			identityagent: "none",
			preferredauthentications: "publickey",
			stricthostkeychecking: "true",
			forwardagent: "no",
			forwardx11: "no",
			updatehostkeys: "false",
		});
	});

	test("it is found as ghost and under its name, and says nothing of other hosts", () => {
		const block = sshConfigBlock({ name: "box", folder: "/f", program: "/vg" });
		for (const host of ["ghost", "box"]) expect(read(block, host).get("hostname")).toBe("box");
		expect(read(block, "boxer").get("hostname")).toBe("boxer");
		expect(read(block, "boxer").get("proxycommand")).toBeUndefined();
		expect(sshConfigBlock({ name: "ghost", folder: "/f", program: "/vg" })).toStartWith("Host ghost\n");
	});

	test("paths with spaces and percent signs arrive", () => {
		const options = read(sshConfigBlock({ name: "box", folder: "/a b/#c/100%h", program: "/p q/it's%h" }), "ghost");
		// A percent sign is doubled until the file is opened.
		expect(options.get("identityfile")?.replaceAll("%%", "%")).toBe("/a b/#c/100%h/id_ed25519");
		expect(options.get("userknownhostsfile")?.replaceAll("%%", "%")).toBe("/a b/#c/100%h/known_hosts");
		expect(options.get("proxycommand")).toBe("'/p q/it'\\''s%%h' ssh-proxy box");
	});
});

describe.skipIf(SSH === null || process.platform === "win32")(
	"ssh connects through the proxy, with the key, from",
	() => {
		const expected = (at: string) => ({ proxied: "ssh-proxy\nbox\n", identity: join(at, "id_ed25519") });

		test.each([
			"plain",
			"a b",
			"100%h%%",
			"it's",
			"#x",
			"$HOME",
			"`id`",
			"a;b&c",
			"ü",
			"=a",
			"*?[x]",
			"~",
			"one\\backslash",
		])("%j", (name) => {
			const at = join(folder, name);
			expect(connect("box", at)).toEqual(expected(at));
		});

		const dollar = "$";
		test("quotes and double backslashes in a path stand for themselves; a variable, which ssh would expand, is refused", () => {
			for (const name of ['say "x"', "two\\\\backslashes"]) {
				const at = join(folder, name);
				expect(connect("box", at)).toEqual(expected(at));
			}
			expect(() => connect("box", join(folder, `${dollar}{HOME}`))).toThrow("cannot be told of a path");
		});
	},
);
