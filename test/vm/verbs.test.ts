/** The verbs that reach into a running machine, through the built binary. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { BINARY, BOOT_TIMEOUT_MS, tool } from "./harness.ts";
import { LocalTerminal } from "./local-terminal.ts";
import { TestMachine } from "./machine.ts";

const TIMEOUT_MS = 120_000;

let machine: TestMachine;
beforeAll(async () => {
	machine = await TestMachine.start(["--gpu", "none", "--publish", "0:7000"]);
}, BOOT_TIMEOUT_MS);
afterAll(async () => await machine?.[Symbol.asyncDispose]());

const path = (name: string) => join(machine.sandbox.cwd, name);
const exec = (...command: string[]) => machine.vg(["exec", "--", ...command]);

interface Listed {
	name: string;
	state: string;
	pid: number;
	ports: string[];
}
const list = async () => JSON.parse((await machine.vg(["list", "--json"])).stdout) as Listed[];

describe("exec", () => {
	test(
		"gives the command's own code, docker's for one that cannot start, 128 + N for a signal",
		async () => {
			const codes: Record<string, number> = {};
			for (const [what, command] of Object.entries({
				zero: ["true"],
				own: ["sh", "-c", "exit 42"],
				missing: ["no-such-program"],
				forbidden: ["/etc/passwd"],
				term: ["sh", "-c", "kill -TERM $$"],
				kill: ["sh", "-c", "kill -KILL $$"],
			})) {
				codes[what] = (await exec(...command)).code;
			}
			expect(codes).toEqual({ zero: 0, own: 42, missing: 127, forbidden: 126, term: 143, kill: 137 });
			expect((await machine.vg(["exec", "-w", "/nonexistent", "--", "true"])).code).toBe(126);
		},
		TIMEOUT_MS,
	);

	test(
		"the launcher's own failures are 125, each with a reason",
		async () => {
			const none = await machine.vg(["exec"]);
			expect([none.code, none.stderr]).toEqual([2, expect.stringContaining("no command to run")]);
			const unknown = await machine.vg(["exec", "nobody", "--", "true"]);
			expect([unknown.code, unknown.stderr]).toEqual([125, expect.stringContaining("running: test")]);
			const variable = await machine.vg(["exec", "-e", "1X=y", "--", "true"]);
			expect([variable.code, variable.stderr]).toEqual([125, expect.stringContaining("is no variable")]);
		},
		TIMEOUT_MS,
	);

	test(
		"arguments, variables, folder, account and streams arrive as given",
		async () => {
			const words = ["", " a  b ", "'", '"', "$HOME", "`id`", "*", "\\n", "a\nb", "ünï", "-x", "--", "!"];
			const echoed = await machine.vg(["exec", machine.name, "--", "printf", "[%s]", ...words]);
			expect(echoed.stdout).toBe(words.map((word) => `[${word}]`).join(""));
			const bytes = await tool(["sh", "-c", `${BINARY} exec -- printf %s "$(printf '\\377\\200x')" | od -An -tx1`], {
				env: machine.env,
			});
			expect(bytes.stdout.trim()).toBe("ff 80 78");
			const settings = ["-e", "A=b c", "-e", "FROM_HERE", "-w", "/tmp"];
			const shown = await machine.vg(
				["exec", ...settings, "--", "sh", "-c", 'echo "$A|$FROM_HERE"; pwd; id -u; echo err >&2'],
				{
					env: { FROM_HERE: "mine" },
				},
			);
			expect([shown.stdout, shown.stderr]).toEqual(["b c|mine\n/tmp\n1000\n", "err\n"]);
			expect((await machine.vg(["exec", "--root", "--", "id", "-u"])).stdout).toBe("0\n");
			expect((await machine.vg(["exec", "--", "wc", "-c"], { input: randomBytes(1_000_000) })).stdout).toBe(
				"1000000\n",
			);
			expect((await machine.vg(["exec", "--no-stdin", "--", "cat"], { input: "unread" })).stdout).toBe("");
			expect((await machine.vg(["exec", "-t", "--", "tty"])).stdout).toMatch(/^\/dev\/pts\/\d+/);
		},
		TIMEOUT_MS,
	);

	test(
		"Ctrl+C reaches the command; a reader that goes away ends it",
		async () => {
			const loud = "head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 7";
			const slow = `${BINARY} exec -- sh -c "$0" 2>&1 >/dev/null | { sleep 2; wc -c; }`;
			expect((await tool(["sh", "-c", slow, loud], { env: machine.env })).stdout.trim()).toBe("3000000");
			const deaf = `${BINARY} exec -- sh -c "$0" 2>&1 >/dev/null | head -c 1`;
			expect((await tool(["timeout", "30", "sh", "-c", deaf, loud], { env: machine.env })).stdout).toBe("x");
			const twice = await machine.vg(["exec", "-w", "/a", "-w", "/b", "--", "true"]);
			expect([twice.code, twice.stderr]).toEqual([2, expect.stringContaining("more than once")]);
			const child = Bun.spawn(
				[BINARY, "exec", "--", "sh", "-c", "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.1; done"],
				{
					env: machine.env,
					stdin: "ignore",
					stdout: "pipe",
				},
			);
			const output = child.stdout.getReader();
			await output.read();
			child.kill("SIGINT");
			expect(await child.exited).toBe(9);
			const piped = await tool(["sh", "-c", `${BINARY} exec -- yes | head -n 1; wait`], { env: machine.env });
			expect(piped.stdout).toBe("y\n");
			expect((await exec("sh", "-c", "sleep 1; pgrep -c ^yes$")).stdout).toBe("0\n");
		},
		TIMEOUT_MS,
	);
});

describe("shell", () => {
	test(
		"a login shell with this terminal's size; afterwards the terminal is as before",
		async () => {
			const script = `stty -g >before; ${BINARY} shell; echo code=$?; stty -g >after; cmp before after && echo same`;
			const terminal = new LocalTerminal(
				["sh", "-c", `cd ${machine.sandbox.cwd}; ${script}`],
				{ ...machine.env, TERM: "xterm" },
				{ cols: 100, rows: 35 },
			);
			await terminal.shows("ghost@");
			terminal.type("stty size; shopt -q login_shell && echo login\n");
			await terminal.shows("35 100");
			await terminal.shows(/\nlogin/);
			terminal.resize(120, 40);
			await Bun.sleep(500);
			terminal.type("stty size\n");
			await terminal.shows("40 120");
			terminal.type("exit 5\n");
			await terminal.shows("code=5");
			await terminal.shows("same");
		},
		TIMEOUT_MS,
	);

	test(
		"kill -9 of the client: the terminal is given back; Enter ~ . lets go",
		async () => {
			const script = `cd ${machine.sandbox.cwd}; stty -g >before; ${BINARY} shell; sleep 1; stty -g >after; cmp before after && echo same`;
			const killed = new LocalTerminal(["sh", "-c", script], { ...machine.env, TERM: "xterm" });
			await killed.shows("ghost@");
			const clients = await tool(["pgrep", "-f", `^${BINARY} shell`]);
			process.kill(Number(clients.stdout.trim()), "SIGKILL");
			await killed.shows("same");

			const left = new LocalTerminal(["sh", "-c", script.replace("sleep 1;", "echo code=$?;")], {
				...machine.env,
				TERM: "xterm",
			});
			await left.shows("ghost@");
			left.type("sleep 1000\n");
			await Bun.sleep(300);
			left.type("\r~.");
			await left.shows("code=255");
			await left.shows("same");
		},
		TIMEOUT_MS,
	);

	test(
		"without a terminal it reads its commands from stdin",
		async () => {
			const { code, stdout } = await machine.vg(["shell"], { input: "echo $((6*7))\nexit 3\n" });
			expect([code, stdout]).toEqual([3, "42\n"]);
		},
		TIMEOUT_MS,
	);
});

describe("cp", () => {
	test(
		"trees with modes, times and links, both ways; streams",
		async () => {
			const root = path("tree");
			mkdirSync(join(root, "sub/empty"), { recursive: true });
			writeFileSync(join(root, "sub/run me"), "#!/bin/sh\n", { mode: 0o750 });
			writeFileSync(join(root, "data"), randomBytes(1_000_000));
			symlinkSync("sub/run me", join(root, "link"));
			utimesSync(join(root, "data"), 1_000_000_000, 1_000_000_000);
			expect(await machine.vg(["cp", root, "test:/tmp/tree"])).toMatchObject({ code: 0, stdout: "", stderr: "" });
			const seen = await exec("sh", "-c", "cd /tmp/tree; stat -c '%a %U' 'sub/run me'; stat -c %Y data; readlink link");
			expect(seen.stdout).toBe("750 ghost\n1000000000\nsub/run me\n");
			expect(await machine.vg(["cp", ":/tmp/tree", path("back")])).toMatchObject({ code: 0, stderr: "" });
			expect((await tool(["diff", "-r", "--no-dereference", root, path("back")])).code).toBe(0);
			expect([statSync(path("back/sub/run me")).mode & 0o777, statSync(path("back/data")).mtimeMs]).toEqual([
				0o750, 1e12,
			]);
			expect((await machine.vg(["cp", "-", "test:/tmp/streamed"], { input: "by a pipe" })).code).toBe(0);
			expect((await machine.vg(["cp", "test:/tmp/streamed", "-"])).stdout).toBe("by a pipe");
			const missing = await machine.vg(["cp", "test:/nonexistent", path("nothing")]);
			expect([missing.code, missing.stderr, existsSync(path("nothing"))]).toEqual([
				1,
				expect.stringContaining("/nonexistent"),
				false,
			]);
			const forbidden = await machine.vg(["cp", path("tree/data"), "test:/etc/data"]);
			expect([forbidden.code, forbidden.stderr]).toEqual([1, expect.stringMatching(/permission/i)]);
		},
		TIMEOUT_MS,
	);
});

describe("ports", () => {
	const greeting = async (port: number) => {
		const socket = net.connect({ host: "127.0.0.1", port });
		const [bytes] = (await once(socket, "data")) as [Buffer];
		socket.destroy();
		return bytes.toString();
	};

	test(
		"--publish and forward lead to a service of the guest",
		async () => {
			const serve =
				'use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 7000, Listen => 9, ReuseAddr => 1) or die; while (my $c = $s->accept) { print $c "hello\n" }';
			await exec("sh", "-c", 'setsid perl -e "$0" >/dev/null 2>&1 </dev/null & sleep 1', serve);
			const [published = ""] = (await list())[0]?.ports ?? [];
			expect(published).toMatch(/^127\.0\.0\.1:\d+ -> 7000$/);
			expect(await greeting(Number(/:(\d+) /.exec(published)?.[1]))).toBe("hello\n");

			const child = Bun.spawn([BINARY, "forward", "0:7000"], { env: machine.env, stderr: "pipe" });
			const said = new TextDecoder().decode((await child.stderr.getReader().read()).value);
			expect(await greeting(Number(/^127\.0\.0\.1:(\d+) -> 7000\n$/.exec(said)?.[1]))).toBe("hello\n");
			const taken = await machine.vg(["forward", `${Number(/:(\d+) /.exec(said)?.[1])}:7000`]);
			expect([taken.code, taken.stderr]).toEqual([125, expect.stringContaining("cannot be opened")]);
			child.kill("SIGINT");
			expect(await child.exited).toBe(130);
			for (const wrong of ["80", "a:b", "1:70000", "evil.example:1:2", "1:0"]) {
				expect([wrong, (await machine.vg(["forward", "test", wrong])).code]).toEqual([wrong, 2]);
			}
		},
		TIMEOUT_MS,
	);
});

describe("list, logs, stop", () => {
	test(
		"two machines: which one is a question; each ends by itself",
		async () => {
			const env = { VIRTUALGHOST_GPU: "none", VIRTUALGHOST_ACCEL: "tcg" };
			const taken = await machine.vg(["run", "--detach", "--name", "test"], { env });
			expect([taken.code, taken.stderr]).toEqual([2, expect.stringContaining("A machine named test is running")]);
			// Its own two words; the pipes of the caller are not held open by what stays behind.
			const second = await tool(["sh", "-c", `out=$(${BINARY} run --detach 2>&1); echo "$out"`], {
				env: { ...machine.env, ...env },
			});
			const name = second.stdout.trim();
			expect(name).toMatch(/^[a-z]+-[a-z]+$/);
			expect((await list()).map((each) => [each.name, each.state])).toEqual([
				["test", "up"],
				[name, "up"],
			]);
			expect((await machine.vg(["list"])).stdout).toMatch(/^NAME\s+STATE[\s\S]*\ntest\s+up/);
			const which = await exec("true");
			expect([which.code, which.stderr]).toEqual([125, expect.stringContaining(`running: test, ${name}`)]);
			expect((await machine.vg(["exec", name, "--", "true"])).code).toBe(0);

			// The guest's console is the guest's: what it writes must not reach the user's terminal as it is.
			await machine.vg([
				"exec",
				name,
				"--root",
				"--",
				"sh",
				"-c",
				"printf '\\033[31mmark\\007\\033]0;title\\007\\n' >/dev/ttyS0",
			]);
			const { stdout } = await machine.vg(["logs", name, "--only", "serial"]);
			expect(stdout).toContain("mark\n");
			expect(stdout).not.toContain("\x1b");
			expect((await machine.vg(["logs", name])).stdout).toMatch(/==> launcher\.log <==[\s\S]*==> serial\.log <==/);

			const follower = machine.sandbox.start(["logs", name, "-f", "--only", "launcher"]);
			const stopped = await machine.vg(["stop", name]);
			expect([stopped.code, stopped.stdout]).toEqual([0, `${name}\n`]);
			const followed = await follower.outcome;
			expect([followed.code, followed.stdout]).toEqual([0, expect.stringContaining("guest-shutdown")]);
			expect((await list()).map((each) => each.name)).toEqual(["test"]);
			// After its end the logs are still there.
			expect((await machine.vg(["logs", name, "--only", "serial"])).stdout).toContain("mark\n");
		},
		2 * BOOT_TIMEOUT_MS,
	);

	test(
		"run -- CMD: its streams, its code, and nothing left; what fails before it is 125",
		async () => {
			const argv = [
				"run",
				"--rm",
				"--name",
				"once",
				"--accel",
				"tcg",
				"-e",
				"A=1",
				"--",
				"sh",
				"-c",
				"cat; echo $A; echo err >&2; exit 7",
			];
			const { code, stdout, stderr } = await machine.vg(argv, { input: "in\n" });
			expect([code, stdout, stderr]).toEqual([7, "in\n1\n", "err\n"]);
			expect((await list()).map((each) => each.name)).toEqual(["test"]);
			const endless = machine.sandbox.start(["run", "--name", "endless", "--accel", "tcg", "--", "sleep", "1000"]);
			while (!(await list()).some((each) => each.name === "endless" && each.state === "up")) await Bun.sleep(200);
			expect((await machine.vg(["stop", "endless"])).code).toBe(0);
			expect((await endless.outcome).code).toBe(143);
			const wrong = await machine.vg(["run", "--kernel", "/nonexistent", "--", "true"]);
			expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("/nonexistent")]);
			const both = await machine.vg(["run", "--detach", "--", "true"]);
			expect([both.code, both.stderr]).toEqual([2, expect.stringContaining("--detach leaves a machine running")]);
		},
		BOOT_TIMEOUT_MS,
	);

	test(
		"a machine that is lost during a command: 255; a launcher that hangs: stop --force",
		async () => {
			const lost = Bun.spawn([BINARY, "exec", "--", "sleep", "1000"], {
				env: machine.env,
				stdin: "ignore",
				stderr: "pipe",
			});
			await Bun.sleep(2000);
			const [running] = await list();
			process.kill(running?.pid ?? 0, "SIGSTOP");
			const forced = await machine.vg(["stop", "--force"]);
			expect([forced.code, forced.stdout]).toEqual([0, "test\n"]);
			expect(await lost.exited).toBe(255);
			expect(await machine.sandbox.lingering(5)).toEqual([]);
			expect(machine.sandbox.instances()).toEqual([]);
			const nothing = await machine.vg(["stop"]);
			expect([nothing.code, nothing.stderr]).toEqual([125, expect.stringContaining("No machine is running")]);
		},
		TIMEOUT_MS,
	);
});

test(
	"a machine with a screen: its picture, its size, and a login like the one in the window",
	async () => {
		await using seen = await TestMachine.start(["--gpu", "software"], "screen");
		using session = await seen.login();
		while ((await session.control({ op: "state" })).session !== "up") await Bun.sleep(200);
		mkdirSync(join(import.meta.dir, "../../dist/pictures"), { recursive: true });
		const shot = join(import.meta.dir, "../../dist/pictures/screenshot-verb.png");
		expect(await seen.vg(["screenshot", "-o", shot])).toMatchObject({ code: 0, stdout: "", stderr: "" });
		expect(readFileSync(shot).subarray(1, 4).toString()).toBe("PNG");
		expect(readFileSync(shot).readUInt32BE(16)).toBe(1280);
		const unwritable = await seen.vg(["screenshot", "-o", "/nonexistent/x.png"]);
		expect([unwritable.code, unwritable.stderr]).toEqual([1, expect.stringContaining("cannot be written")]);

		expect((await session.control({ op: "screen" })).screen).toEqual({ width: 1280, height: 800 });
		const smaller = { width: 1024, height: 768 };
		expect((await session.control({ op: "screen", size: smaller })).screen).toEqual(smaller);
		expect((await seen.vg(["screenshot", "-o", shot])).code).toBe(0);

		const variables = "HOME USER LOGNAME SHELL PATH XDG_RUNTIME_DIR LANG";
		const window = await session.exec(
			`for v in ${variables}; do tr '\\0' '\\n' </proc/$(pgrep -x bash -P "$(pgrep -x foot || pgrep -x ghostty)")/environ | grep "^$v="; done`,
		);
		const show = `for v in ${variables}; do echo "$v=\${!v}"; done`;
		for (const command of [show, `bash -lc '${show}'`]) {
			expect((await session.exec(command)).stdout.toString()).toBe(window.stdout.toString());
		}
	},
	BOOT_TIMEOUT_MS,
);

test("completion scripts are valid where their shell is at hand", async () => {
	const bash = await machine.vg(["completion", "bash"]);
	const script = `${bash.stdout}\nvirtualghost() { ${BINARY} "$@"; }\nCOMP_WORDS=(virtualghost sto); COMP_CWORD=1; _virtualghost; echo "\${COMPREPLY[@]}"`;
	expect((await tool(["bash", "-c", script], { env: machine.env })).stdout).toBe("stop\n");
	expect((await machine.vg(["completion", "fish"])).stdout).toContain("complete -c virtualghost");
	expect((await machine.vg(["completion", "zsh"])).stdout).toContain("#compdef virtualghost");
	expect((await machine.vg(["completion", "tcsh"])).code).toBe(2);
});
