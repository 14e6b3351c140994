/** The agent under hostile and heavy use: who gets in, what it costs, and what is left when somebody vanishes. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import ssh2 from "ssh2";
import { GuestSession } from "../../src/ssh/client.ts";
import { generateKeyPair } from "../../src/ssh/keys.ts";
import { BINARY, BOOT_TIMEOUT_MS } from "./harness.ts";
import { TestMachine } from "./machine.ts";

const TIMEOUT_MS = 120_000;
const MIB = 1024;

let machine: TestMachine;
beforeAll(async () => {
	machine = await TestMachine.start();
}, BOOT_TIMEOUT_MS);
afterAll(async () => await machine?.[Symbol.asyncDispose]());

/** How a login ends: "in", or the methods that were still offered, or the error. */
async function attempt(config: ssh2.ConnectConfig): Promise<string> {
	const client = new ssh2.Client();
	const sock = await machine.connect();
	try {
		return await new Promise<string>((resolve) => {
			client.on("ready", () => resolve("in"));
			client.on("error", (error) => resolve(error.message));
			client.on("close", () => resolve("closed"));
			client.connect({ sock: sock as never, readyTimeout: 30_000, ...config });
		});
	} finally {
		client.end();
		sock.destroy();
	}
}

/** Processes of the guest whose command line holds `text`. */
async function guestProcesses(session: GuestSession, text: string): Promise<number> {
	const { stdout } = await session.exec(`pgrep -cf '^${text}$'`);
	return Number(stdout.toString());
}

async function until(what: () => Promise<boolean>, seconds: number): Promise<boolean> {
	const end = Date.now() + seconds * 1000;
	while (Date.now() < end) {
		if (await what()) return true;
		await Bun.sleep(100);
	}
	return false;
}

describe("who gets in", () => {
	test(
		"the launcher's key for ghost and root; no other key, no password, no other account",
		async () => {
			const { identity } = machine;
			expect(await attempt({ username: "ghost", privateKey: identity })).toBe("in");
			expect(await attempt({ username: "root", privateKey: identity })).toBe("in");
			const refused = "All configured authentication methods failed";
			expect(await attempt({ username: "ghost", privateKey: generateKeyPair("x").private })).toBe(refused);
			expect(await attempt({ username: "ghost", password: "ghost" })).toBe(refused);
			expect(await attempt({ username: "ghost", password: "" })).toBe(refused);
			expect(await attempt({ username: "ghost", tryKeyboard: true })).toBe(refused);
			expect(await attempt({ username: "ghost" })).toBe(refused);
			for (const username of ["daemon", "nobody", "", "ghost\0", "Root"]) {
				expect([username, await attempt({ username, privateKey: identity })]).toEqual([
					username,
					expect.not.stringMatching("^in$"),
				]);
			}
		},
		TIMEOUT_MS,
	);

	test("another host key than the pinned one: the launcher's client refuses", async () => {
		const other = generateKeyPair("another guest").public;
		const login = GuestSession.open(await machine.connect(), { identity: machine.identity, hostPublicKey: other });
		expect(login).rejects.toThrow("another host key");
		await login.catch(() => {});
	});

	test(
		"500 silent peers do not keep a good login out",
		async () => {
			const before = performance.now();
			(await machine.login())[Symbol.dispose]();
			const alone = performance.now() - before;
			const peers: Duplex[] = [];
			try {
				for (let i = 0; i < 500; i += 50) {
					const opened = await Promise.allSettled(Array.from({ length: 50 }, () => machine.connect()));
					for (const each of opened) if (each.status === "fulfilled") peers.push(each.value);
				}
				for (const peer of peers) peer.on("error", () => {});
				expect(peers.length).toBeGreaterThan(400);
				// The daemon hands them over one by one; they have ten seconds.
				await Bun.sleep(4000);
				const from = performance.now();
				using session = await machine.login();
				// On a host that is busy with other things a login takes its time without them, too.
				expect(performance.now() - from).toBeLessThan(Math.max(2000, 3 * alone));
				expect((await session.exec("echo in")).stdout.toString()).toBe("in\n");
			} finally {
				for (const peer of peers) peer.destroy();
			}
		},
		TIMEOUT_MS,
	);

	test(
		"a peer that does not log in is let go after ten seconds; garbage at once",
		async () => {
			const silent = await machine.connect();
			silent.resume();
			const from = performance.now();
			const garbage = await machine.connect();
			garbage.on("error", () => {});
			garbage.resume();
			garbage.write("GET / HTTP/1.1\r\n\r\n".repeat(1000));
			await once(garbage, "close");
			expect(performance.now() - from).toBeLessThan(8_000);
			await once(silent, "close");
			const seconds = (performance.now() - from) / 1000;
			expect(seconds).toBeGreaterThan(8);
			expect(seconds).toBeLessThan(20);
		},
		TIMEOUT_MS,
	);
});

describe("many", () => {
	test(
		"50 commands at once, on one connection and on several: 50 right answers",
		async () => {
			const sessions = await Promise.all(Array.from({ length: 5 }, () => machine.login()));
			const run = (session: GuestSession | undefined, i: number) => session?.exec(`echo ${i}; exit ${i}`);
			for (const of of [1, 5]) {
				const results = await Promise.all(Array.from({ length: 50 }, (_, i) => run(sessions[i % of], i)));
				expect(results.map((result) => [result?.code, result?.stdout.toString()])).toEqual(
					Array.from({ length: 50 }, (_, i) => [i, `${i}\n`]),
				);
			}
			for (const session of sessions) session[Symbol.dispose]();
		},
		TIMEOUT_MS,
	);

	test(
		"1,000 commands one after the other: no exit code is lost, the agent does not grow",
		async () => {
			using session = await machine.login();
			// Its heap finds its size in the first hundred.
			for (let i = 0; i < 100; i++) await session.exec("true");
			const before = await machine.agentKiB(session);
			const wrong: number[] = [];
			for (let i = 0; i < 1000; i++) if ((await session.exec(`exit ${i % 256}`)).code !== i % 256) wrong.push(i);
			expect(wrong).toEqual([]);
			expect((await machine.agentKiB(session)) - before).toBeLessThan(20 * MIB);
		},
		3 * TIMEOUT_MS,
	);

	test(
		"a client that does not read: neither pipes nor a terminal grow the agent",
		async () => {
			using session = await machine.login();
			using stuck = await machine.login();
			const before = await machine.agentKiB(session);
			const channels = [
				await stuck.stream("yes; sleep 1000"),
				await stuck.stream("yes >&2; sleep 1000"),
				await stuck.stream("yes; sleep 1000", { pty: { cols: 80, rows: 24, width: 0, height: 0, term: "xterm" } }),
			];
			// Nobody reads; what the client's window allows comes, and then nothing.
			await Bun.sleep(5000);
			const settled = await machine.agentKiB(session);
			await Bun.sleep(8000);
			expect((await machine.agentKiB(session)) - settled).toBeLessThan(8 * MIB);
			expect(settled - before).toBeLessThan(64 * MIB);
			for (const channel of channels) channel.close();
		},
		TIMEOUT_MS,
	);

	test(
		"a program that does not read: what is sent to it stays with the client",
		async () => {
			using session = await machine.login();
			const before = await machine.agentKiB(session);
			for (const pty of [undefined, { cols: 80, rows: 24, width: 0, height: 0, term: "xterm" }]) {
				const channel = await session.stream("sleep 1000", { pty });
				channel.resume();
				let sent = 0;
				const send = () => {
					while (channel.write(Buffer.alloc(65_536, "x\n")) && sent < 200_000_000) sent += 65_536;
				};
				channel.on("drain", send);
				send();
				await Bun.sleep(4000);
				expect(sent).toBeLessThan(20_000_000);
				channel.close();
			}
			expect((await machine.agentKiB(session)) - before).toBeLessThan(48 * MIB);
		},
		TIMEOUT_MS,
	);
});

describe("when somebody vanishes", () => {
	test(
		"kill -9 of a client ends what it was running, within five seconds",
		async () => {
			using session = await machine.login();
			const clients = {
				"sleep 1001": [BINARY, "exec", "--", "sleep", "1001"],
				"sleep 1002": ["ssh", "-F", machine.sshConfig, "ghost", "exec sleep 1002"],
				"sleep 1003": ["ssh", "-tt", "-F", machine.sshConfig, "ghost", "exec sleep 1003"],
			};
			for (const [command, argv] of Object.entries(clients)) {
				const child = Bun.spawn(argv, { env: machine.env, stdin: "pipe", stdout: "ignore", stderr: "ignore" });
				expect([command, await until(async () => (await guestProcesses(session, command)) === 1, 30)]).toEqual([
					command,
					true,
				]);
				child.kill("SIGKILL");
				expect([command, await until(async () => (await guestProcesses(session, command)) === 0, 5)]).toEqual([
					command,
					true,
				]);
			}
		},
		TIMEOUT_MS,
	);

	test(
		"a job that was left in the background on purpose lives on, as with sshd",
		async () => {
			using session = await machine.login();
			const left = await machine.ssh([
				"ghost",
				"setsid -f sleep 1004 >/dev/null 2>&1 </dev/null; sleep 1005 >/dev/null 2>&1 </dev/null & echo left",
			]);
			expect(left.stdout).toBe("left\n");
			await Bun.sleep(1000);
			expect([await guestProcesses(session, "sleep 1004"), await guestProcesses(session, "sleep 1005")]).toEqual([
				1, 1,
			]);
			await session.exec("pkill -f '^sleep 100'");
		},
		TIMEOUT_MS,
	);
});

describe("the control subsystem", () => {
	const talk = async (...lines: string[]): Promise<Record<string, unknown>[]> => {
		const { stdout } = await machine.ssh(["-s", "ghost", "virtualghost"], {
			input: lines.map((line) => `${line}\n`).join(""),
		});
		return stdout
			.trim()
			.split("\n")
			.map((line) => JSON.parse(line));
	};

	test(
		"versions are compared first, and nonsense is answered with a reason",
		async () => {
			const [wrong, after] = await talk('{"op":"hello","protocol":999}', '{"op":"state"}');
			expect(wrong).toEqual({ ok: false, error: expect.stringMatching(/speaks protocol \d+, the launcher 999/) });
			expect(after?.ok).toBe(false);
			expect(await talk("nonsense", '{"op":"format"}', "{}")).toEqual([
				{ ok: false, error: "not a JSON line" },
				{ ok: false, error: "unknown request" },
				{ ok: false, error: "unknown request" },
			]);
		},
		TIMEOUT_MS,
	);

	test(
		"state, and the guest's clock",
		async () => {
			using session = await machine.login();
			expect((await session.control({ op: "state" })).session).toBe("off");
			const then = Date.UTC(2030, 0, 1);
			const set = await session.control({ op: "set-clock", unixMs: then });
			expect(Math.abs((set.unixMs ?? 0) - then)).toBeLessThan(5000);
			expect((await session.exec("date +%Y")).stdout.toString()).toBe("2030\n");
			await session.control({ op: "set-clock", unixMs: Date.now() });
			expect(session.control({ op: "screen" })).rejects.toThrow();
		},
		TIMEOUT_MS,
	);
});

test("terminal descriptions that people's terminals need are there", async () => {
	const terms = [
		"xterm-ghostty",
		"xterm-256color",
		"tmux-256color",
		"screen-256color",
		"xterm-kitty",
		"alacritty",
		"foot",
	];
	const { stdout } = await machine.ssh([
		"ghost",
		`for t in ${terms.join(" ")}; do infocmp $t >/dev/null && echo $t; done`,
	]);
	expect(stdout.trim().split("\n")).toEqual(terms);
});

describe("an agent that is started again", () => {
	const pid = async () =>
		(await machine.vg(["exec", "--", "systemctl", "show", "-P", "MainPID", "virtualghost-agent"])).stdout.trim();
	test.each([
		"systemctl --no-block restart virtualghost-agent",
		"kill -9 $(systemctl show -P MainPID virtualghost-agent)",
	])(
		"%s: the next login gets in, with the same keys",
		async (script) => {
			const before = await pid();
			await machine.vg(["exec", "--root", "--", "sh", "-c", script]);
			const back = async () => {
				const now = await pid();
				return now !== "" && now !== before;
			};
			expect(await until(back, 60)).toBe(true);
			expect((await machine.ssh(["ghost", "echo in"])).stdout).toBe("in\n");
		},
		TIMEOUT_MS,
	);
});

test(
	"kill -9 of the launcher: machine, helper and sockets are gone, and list says so",
	async () => {
		const running = JSON.parse((await machine.vg(["list", "--json"])).stdout) as { name: string; pid: number }[];
		expect(running.map(({ name }) => name)).toEqual([machine.name]);
		process.kill(running[0]?.pid ?? 0, "SIGKILL");
		expect(await machine.sandbox.lingering(5)).toEqual([]);
		expect((await machine.vg(["list"])).stdout).toBe("no machine is running\n");
		expect(machine.sandbox.instances()).toEqual([]);
		const gone = await machine.vg(["exec", "--", "true"]);
		expect([gone.code, gone.stderr]).toEqual([125, expect.stringContaining("No machine is running")]);
	},
	TIMEOUT_MS,
);
