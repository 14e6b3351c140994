/** Everything that OpenSSH's own programs do with a host, done with a machine through `ssh-config`. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { BOOT_TIMEOUT_MS, tool } from "./harness.ts";
import { LocalTerminal } from "./local-terminal.ts";
import { TestMachine } from "./machine.ts";

const TIMEOUT_MS = 120_000;
/** Echoes each line in capitals, for as many connections as come. */
const ECHO_SERVER =
	'use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 7000, Listen => 50, ReuseAddr => 1) or die; $SIG{CHLD} = "IGNORE"; while (my $c = $s->accept) { next if fork; while (<$c>) { print $c uc } exit }';

let machine: TestMachine;
beforeAll(async () => {
	machine = await TestMachine.start();
	const started = await machine.vg([
		"exec",
		"--",
		"sh",
		"-c",
		'setsid perl -e "$0" >/dev/null 2>&1 </dev/null &',
		ECHO_SERVER,
	]);
	expect([started.code, started.stderr]).toEqual([0, ""]);
}, BOOT_TIMEOUT_MS);
afterAll(async () => await machine?.[Symbol.asyncDispose]());

const path = (name: string) => join(machine.sandbox.cwd, name);
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const outcome = ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
	code,
	stdout,
	stderr,
});

describe("ssh", () => {
	test(
		"exit codes, streams apart, input to its end",
		async () => {
			expect(outcome(await machine.ssh(["ghost", "true"]))).toEqual({ code: 0, stdout: "", stderr: "" });
			expect(outcome(await machine.ssh(["ghost", "echo out; echo err >&2; exit 3"]))).toEqual({
				code: 3,
				stdout: "out\n",
				stderr: "err\n",
			});
			expect((await machine.ssh(["ghost", "exit 255"])).code).toBe(255);
			// OpenSSH's way of saying "by a signal".
			expect((await machine.ssh(["ghost", "kill -TERM $$"])).code).toBe(255);
			const input = randomBytes(3_000_000);
			const sum = await machine.ssh(["ghost", "sha256sum"], { input });
			expect(sum.stdout.split(" ")[0]).toBe(sha256(input));
		},
		TIMEOUT_MS,
	);

	test(
		"is a login of the unprivileged user; the machine's own name works, root is another account",
		async () => {
			const { stdout } = await machine.ssh([
				machine.name,
				"id -un; pwd; echo $HOME $USER $XDG_RUNTIME_DIR; umask; echo $SSH_CONNECTION",
			]);
			expect(stdout).toBe("ghost\n/home/ghost\n/home/ghost ghost /run/user/1000\n0022\nUNKNOWN 65535 UNKNOWN 65535\n");
			expect((await machine.ssh(["-l", "root", "ghost", "id -u; pwd"])).stdout).toBe("0\n/root\n");
			const other = await machine.ssh(["-l", "daemon", "ghost", "true"]);
			expect([other.code, other.stderr]).toEqual([255, expect.stringContaining("Permission denied (publickey)")]);
		},
		TIMEOUT_MS,
	);

	test(
		"variables: those that sshd accepts, and no others",
		async () => {
			const send = (name: string) => ["-o", `SendEnv=${name}`];
			const { stdout } = await machine.ssh([...send("LC_ALL"), ...send("EVIL"), "ghost", "echo $LC_ALL-$EVIL-"], {
				env: { LC_ALL: "C", EVIL: "1" },
			});
			expect(stdout).toBe("C--\n");
		},
		TIMEOUT_MS,
	);

	test(
		"-t: a terminal with the client's size and modes, which follows a resize",
		async () => {
			const env = { ...machine.env, TERM: "xterm-256color" };
			const terminal = new LocalTerminal(["ssh", "-tt", "-F", machine.sshConfig, "ghost"], env, { cols: 91, rows: 31 });
			terminal.type("stty -echo; stty size; echo term=$TERM tty=$SSH_TTY\n");
			await terminal.shows("31 91");
			await terminal.shows("term=xterm-256color tty=/dev/pts/");
			terminal.resize(120, 40);
			await Bun.sleep(500);
			terminal.type("stty size\n");
			await terminal.shows("40 120");
			// Ctrl+C reaches the foreground job, Ctrl+D the shell.
			terminal.type("sleep 1000; echo interrupted\n");
			await Bun.sleep(500);
			terminal.type("\x03");
			terminal.type("echo after\n");
			await terminal.shows("after");
			terminal.type("exit 7\n");
			expect(await terminal.exited).toBe(7);
		},
		TIMEOUT_MS,
	);

	test(
		"-t hands on the modes of the client's terminal",
		async () => {
			const env = { ...machine.env, TERM: "xterm" };
			const command = `stty intr ^P -ixon; exec ssh -tt -F ${machine.sshConfig} ghost 'stty -a'`;
			const terminal = new LocalTerminal(["sh", "-c", command], env);
			expect(await terminal.exited).toBe(0);
			const { screen } = terminal;
			expect(screen).toMatch(/intr = \^P/);
			expect(screen).toMatch(/\s-ixon/);
			expect(screen).toMatch(/\siutf8/);
		},
		TIMEOUT_MS,
	);

	test(
		"what is refused: X11, the key agent; and what is answered: keepalives",
		async () => {
			const agent = await machine.ssh(["-A", "ghost", "echo [$SSH_AUTH_SOCK]"]);
			expect(agent.stdout).toBe("[]\n");
			const x11 = await machine.ssh(["-X", "ghost", "echo [$DISPLAY]"], { env: { DISPLAY: ":99" } });
			expect(x11.stdout).toBe("[]\n");
			const alive = ["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=2"];
			expect(outcome(await machine.ssh([...alive, "ghost", "sleep 5; echo alive"]))).toMatchObject({
				code: 0,
				stdout: "alive\n",
			});
		},
		TIMEOUT_MS,
	);

	test(
		"one connection carries ten sessions (ControlMaster)",
		async () => {
			const socket = path("control");
			const master = Bun.spawn(["ssh", "-F", machine.sshConfig, "-M", "-S", socket, "-N", "ghost"], {
				env: machine.env,
			});
			try {
				while ((await machine.ssh(["-S", socket, "-O", "check", "ghost"])).code !== 0) await Bun.sleep(100);
				const sessions = Array.from({ length: 10 }, (_, i) =>
					machine.ssh(["-S", socket, "ghost", `sleep 1; echo ${i}; exit ${i}`]),
				);
				for (const [i, result] of (await Promise.all(sessions)).entries()) {
					expect(outcome(result)).toEqual({ code: i, stdout: `${i}\n`, stderr: "" });
				}
			} finally {
				master.kill();
				await master.exited;
			}
		},
		TIMEOUT_MS,
	);
});

describe("forwarding", () => {
	const conversation = async (port: number, say: string): Promise<string> => {
		const socket = net.connect({ host: "127.0.0.1", port });
		socket.write(`${say}\n`);
		const [bytes] = (await once(socket, "data")) as [Buffer];
		socket.destroy();
		return bytes.toString();
	};
	const freePort = async () => {
		const server = net.createServer().listen(0, "127.0.0.1");
		await once(server, "listening");
		const { port } = server.address() as net.AddressInfo;
		server.close();
		return port;
	};
	const holding = async (flags: readonly string[], use: () => Promise<void>) => {
		const options = ["-o", "ExitOnForwardFailure=yes", "-N", ...flags];
		const child = Bun.spawn(["ssh", "-F", machine.sshConfig, ...options, "ghost"], {
			env: machine.env,
			stderr: "pipe",
		});
		try {
			await Promise.race([
				use(),
				child.exited.then(async () => Promise.reject(new Error(await new Response(child.stderr).text()))),
			]);
		} finally {
			child.kill();
			await child.exited;
		}
	};
	const eventually = async (work: () => Promise<string>): Promise<string> => {
		for (let i = 0; ; i++) {
			try {
				return await work();
			} catch (error) {
				if (i > 100) throw error;
				await Bun.sleep(100);
			}
		}
	};

	test(
		"-L reaches a service of the guest, -R lets the guest reach one of ours, -D is a proxy",
		async () => {
			const local = await freePort();
			await holding(["-L", `127.0.0.1:${local}:127.0.0.1:7000`], async () => {
				expect(await eventually(() => conversation(local, "through"))).toBe("THROUGH\n");
				const many = Array.from({ length: 20 }, (_, i) => conversation(local, `number ${i}`));
				expect(await Promise.all(many)).toEqual(Array.from({ length: 20 }, (_, i) => `NUMBER ${i}\n`));
			});

			const ours = net.createServer((socket) => socket.end("hello from the host\n")).listen(0, "127.0.0.1");
			await once(ours, "listening");
			const remote = `7001:127.0.0.1:${(ours.address() as net.AddressInfo).port}`;
			const seen = await machine.ssh([
				"-R",
				remote,
				"ghost",
				"cat </dev/tcp/127.0.0.1/7001; cat </dev/tcp/127.0.0.1/7001",
			]);
			expect(seen.stdout).toBe("hello from the host\nhello from the host\n");
			expect(
				(await machine.ssh(["-o", "ExitOnForwardFailure=yes", "-R", `80:127.0.0.1:1`, "ghost", "true"])).code,
			).toBe(255);
			// The listener went with its connection; port 0 lets the guest choose.
			expect((await machine.ssh(["ghost", "cat </dev/tcp/127.0.0.1/7001"])).code).not.toBe(0);
			const chosen = await machine.ssh(["-R", remote.replace("7001", "0"), "ghost", "true"]);
			expect(chosen.stderr).toMatch(/Allocated port \d+ for remote forward/);
			ours.close();

			const proxy = await freePort();
			await holding(["-D", `127.0.0.1:${proxy}`], async () => {
				expect(await eventually(() => socks(proxy, 7000, "by proxy"))).toBe("BY PROXY\n");
				// Nothing listens there: refused, not hanging.
				expect(socks(proxy, 7999, "nobody")).rejects.toThrow("refused");
			});
		},
		TIMEOUT_MS,
	);
});

/** One line through a SOCKS5 proxy (RFC 1928) to 127.0.0.1:`port` on its far side. */
async function socks(proxy: number, port: number, say: string): Promise<string> {
	const socket = net.connect({ host: "127.0.0.1", port: proxy });
	const next = async () => {
		const [bytes] = (await Promise.race([
			once(socket, "data"),
			once(socket, "close").then(() => [Buffer.alloc(0)]),
		])) as [Buffer];
		return bytes;
	};
	try {
		socket.write(Buffer.from([5, 1, 0]));
		await next();
		socket.write(Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 0xff]));
		const reply = await next();
		if (reply[1] !== 0) throw new Error("refused");
		socket.write(`${say}\n`);
		return (await next()).toString();
	} finally {
		socket.destroy();
	}
}

describe("files", () => {
	const tree = () => {
		const root = path("tree");
		rmSync(root, { recursive: true, force: true });
		mkdirSync(join(root, "sub dir/empty"), { recursive: true });
		writeFileSync(join(root, "a.txt"), "a\n", { mode: 0o640 });
		writeFileSync(join(root, "sub dir/ünï.bin"), randomBytes(100_000), { mode: 0o755 });
		return root;
	};

	test(
		"scp and sftp, there and back",
		async () => {
			const content = randomBytes(2_000_000);
			writeFileSync(path("one"), content);
			const scp = (...args: string[]) => tool(["scp", "-q", "-F", machine.sshConfig, ...args], { env: machine.env });
			expect(outcome(await scp(path("one"), "ghost:/tmp/one"))).toEqual({ code: 0, stdout: "", stderr: "" });
			expect(outcome(await scp("ghost:/tmp/one", path("two")))).toEqual({ code: 0, stdout: "", stderr: "" });
			expect(readFileSync(path("two")).equals(content)).toBe(true);
			expect((await scp("-r", tree(), "ghost:/tmp/scp-tree")).code).toBe(0);
			expect(
				(await machine.ssh(["ghost", "cat /tmp/scp-tree/a.txt; stat -c %a '/tmp/scp-tree/sub dir/ünï.bin'"])).stdout,
			).toBe("a\n755\n");
			const batch = `put ${path("one")} /tmp/three\nget /tmp/three ${path("three")}\nls -l /tmp/three\n`;
			const sftp = await tool(["sftp", "-b", "-", "-F", machine.sshConfig, "ghost"], {
				env: machine.env,
				input: batch,
			});
			expect(sftp.code).toBe(0);
			expect(readFileSync(path("three")).equals(content)).toBe(true);
			// As the unprivileged user.
			expect((await scp(path("one"), "ghost:/etc/one")).code).not.toBe(0);
		},
		TIMEOUT_MS,
	);

	test(
		"rsync and git",
		async () => {
			const root = tree();
			const rsync = (...args: string[]) => tool(["rsync", "-a", ...args], { env: machine.sshEnv });
			expect(outcome(await rsync(`${root}/`, "ghost:/tmp/rsynced/"))).toEqual({ code: 0, stdout: "", stderr: "" });
			expect((await rsync("--delete", "ghost:/tmp/rsynced/", path("back/"))).code).toBe(0);
			expect((await tool(["diff", "-r", root, path("back")])).code).toBe(0);
			expect((await rsync("-n", "-i", `${root}/`, "ghost:/tmp/rsynced/")).stdout).toBe("");
			const commit =
				"git init -q repo && cd repo && git -c user.name=g -c user.email=g@g commit -q --allow-empty -m made-in-the-guest";
			expect((await machine.ssh(["ghost", commit])).code).toBe(0);
			const clone = await tool(["git", "clone", "-q", "ghost:repo", path("clone")], {
				env: { ...machine.sshEnv, HOME: machine.sandbox.home },
			});
			expect([clone.code, clone.stderr]).toEqual([0, ""]);
			const log = await tool(["git", "-C", path("clone"), "log", "--format=%s"], { env: { ...machine.sshEnv } });
			expect(log.stdout).toBe("made-in-the-guest\n");
		},
		TIMEOUT_MS,
	);

	test(
		"200 MB with new keys after each megabyte, the same bytes both ways",
		async () => {
			const content = randomBytes(200_000_000);
			writeFileSync(path("big"), content);
			const sum = sha256(content);
			const rekey = ["-o", "RekeyLimit=1M"];
			const up = await machine.ssh([...rekey, "ghost", "tee /tmp/big | sha256sum"], { input: Bun.file(path("big")) });
			expect([up.code, up.stdout.split(" ")[0]]).toEqual([0, sum]);
			const down = await tool(
				["sh", "-c", 'ssh -F "$0" -o RekeyLimit=1M ghost "cat /tmp/big" | sha256sum', machine.sshConfig],
				{
					env: machine.env,
				},
			);
			expect([down.code, down.stdout.split(" ")[0]]).toEqual([0, sum]);
		},
		5 * TIMEOUT_MS,
	);
});
