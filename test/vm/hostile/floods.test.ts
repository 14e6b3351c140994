/**
 * A guest that floods whatever it reaches: the launcher stays small, the host's disk stays empty, the guest's neighbour answers. One machine
 * takes it all, the worst last.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { BINARY, BOOT_TIMEOUT_MS, Sandbox, type Started, tool } from "../harness.ts";
import { TestMachine } from "../machine.ts";

const FLAGS = ["--accel", "tcg", "--gpu", "none", "--display", "none", "--memory", "1G", "--vcpus", "2"] as const;
const LAUNCHER_MIB_MAX = 150;
/** Launcher's, console's and QEMU's logs, 1 MB each, and the instance's small files. */
const DISK_MIB_MAX = 5;
const NEIGHBOUR_SECONDS_MAX = 30;
const OPENS = 100_000;
const MIB = 1024 * 1024;

let sandbox: Sandbox;
let hostile: Started;
let neighbour: TestMachine;
let port: number;
let diskBefore: number;
/** The hostile one's launcher. */
let ended = false;

beforeAll(async () => {
	sandbox = new Sandbox();
	port = await freePort();
	const start = async () => {
		// The first start extracts, which takes memory for a moment; what is looked at here is what a guest can do.
		const first = sandbox.start(["run", "-v", ...FLAGS]);
		await first.says("booting");
		await first.says("note: TCG");
		first.kill("SIGKILL");
		await first.outcome;
		hostile = sandbox.start(["run", "-v", ...FLAGS, "--name", "hostile", "--publish", `${port}:9`]);
		await hostile.says("system up");
		console.log(`the launcher before: ${mostMemory(hostile.pid).toFixed(0)} MiB at most`);
		diskBefore = diskUse();
	};
	await Promise.all([start(), TestMachine.start(FLAGS.slice(2), "neighbour").then((each) => (neighbour = each))]);
}, 2 * BOOT_TIMEOUT_MS);

afterAll(async () => {
	hostile?.kill("SIGKILL");
	await neighbour?.[Symbol.asyncDispose]();
	sandbox?.[Symbol.dispose]();
}, BOOT_TIMEOUT_MS);

/** After each flood. */
afterEach(async () => {
	if (!ended) expect(mostMemory(hostile.pid)).toBeLessThan(LAUNCHER_MIB_MAX);
	expect(diskUse() - diskBefore).toBeLessThan(DISK_MIB_MAX);
	await neighbourIsWell();
}, 60_000);

async function neighbourIsWell(): Promise<void> {
	const { code, stdout, seconds } = await neighbour.vg(["exec", "neighbour", "--", "echo", "well"]);
	expect([code, stdout]).toEqual([0, "well\n"]);
	expect(seconds).toBeLessThan(NEIGHBOUR_SECONDS_MAX);
}

async function freePort(): Promise<number> {
	const server = net.createServer();
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const { port: free } = server.address() as net.AddressInfo;
	await new Promise((resolve) => server.close(resolve));
	return free;
}

/** Largest resident size of a process so far, in MiB. */
function mostMemory(pid: number): number {
	return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

/** MiB that this user's folders take, without the extracted files. */
function diskUse(): number {
	const sum = (folder: string): number =>
		readdirSync(folder, { withFileTypes: true }).reduce((bytes, entry) => {
			const path = join(folder, entry.name);
			if (entry.isDirectory()) return entry.name === "assets" ? bytes : bytes + sum(path);
			return entry.isFile() ? bytes + statSync(path).size : bytes;
		}, 0);
	return sum(sandbox.root) / MIB;
}

const inside = (script: string, ...flags: string[]) =>
	tool([BINARY, "exec", "hostile", "--no-stdin", ...flags, "--", "bash", "-c", script], { env: sandbox.env });
const asRoot = (script: string) => inside(script, "--root");

test("the console at full speed: 1 MB is kept, its end", async () => {
	await asRoot(
		`line=$(head -c 500 /dev/zero | tr '\\0' x); timeout 15 yes "$line" >/dev/ttyS0; echo the end >/dev/ttyS0`,
	);
	const runs = join(sandbox.home, ".local/state/virtualghost/runs");
	const folder = join(runs, readdirSync(runs).find((name) => name.endsWith("-hostile")) ?? "");
	const files = readdirSync(folder).filter((name) => name.startsWith("serial.log"));
	const bytes = files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
	// An emulated port is slow: whether the older half goes is in test/unit/vm/logs.test.ts.
	console.log(`${bytes} bytes of the console are kept`);
	expect(bytes).toBeLessThanOrEqual(MIB);
	expect(readFileSync(join(folder, "serial.log"), "utf8")).toContain("the end");
}, 90_000);

test("a terminal's output that nobody reads: the program waits, neither end grows", async () => {
	const argv = [BINARY, "exec", "hostile", "-t", "--no-stdin", "--", "yes", "a terminal full of this"];
	const unread = Bun.spawn(argv, { env: sandbox.env, stdin: "ignore", stdout: "pipe", stderr: "ignore" });
	try {
		await Bun.sleep(12_000);
		expect(mostMemory(unread.pid)).toBeLessThan(LAUNCHER_MIB_MAX);
		const agent = await inside(
			"ps -C agent -o rss= || cat /proc/$(pgrep -x agent)/status | sed -n 's/^VmRSS:[^0-9]*//p'",
		);
		expect(Number.parseInt(agent.stdout, 10) / 1024).toBeLessThan(LAUNCHER_MIB_MAX);
	} finally {
		unread.kill("SIGKILL");
		await unread.exited;
	}
}, 60_000);

/** struct sockaddr_vm: family 40, port, context id 2 (the host). Without waiting for the answer, as a flood does. */
const VSOCK_FLOOD = `use Fcntl; for my $i (1..10000) {
	socket(my $s, 40, 1, 0) or die "no vsock: $!"; fcntl($s, F_SETFL, O_NONBLOCK);
	$n++ if connect($s, pack("SSLLL", 40, 0, $i, 2, 0)); push @all, $s; shift @all if @all > 500;
} print $n + 0, "\\n"`;

test("10,000 vsock connections to the host: none is taken, and the agent is still reached", async () => {
	const { stdout, stderr, code } = await inside(`exec timeout 60 perl -e '${VSOCK_FLOOD}'`);
	expect([code, stdout, stderr]).toEqual([0, "0\n", ""]);
	expect((await inside("echo reached")).stdout).toBe("reached\n");
}, 90_000);

test("100,000 connections to a published port, none of them waiting for the guest: none costs anything that stays", async () => {
	const descriptors = () => readdirSync(`/proc/${hostile.pid}/fd`).length;
	const before = descriptors();
	let opened = 0;
	let refused = 0;
	const open = async () => {
		while (opened + refused < OPENS) {
			const socket = net.connect(port, "127.0.0.1");
			await new Promise<void>((resolve) =>
				socket
					.on("connect", () => {
						opened++;
						socket.destroy();
					})
					.on("error", () => refused++)
					.on("close", () => resolve()),
			);
		}
	};
	const from = performance.now();
	await Promise.all(Array.from({ length: 50 }, open));
	console.log(
		`${opened} connections to a published port in ${((performance.now() - from) / 1000).toFixed(0)} s, ${refused} refused`,
	);
	expect(opened).toBeGreaterThan(OPENS * 0.9);
	const end = Date.now() + 60_000;
	while (descriptors() > before + 10 && Date.now() < end) await Bun.sleep(200);
	expect(descriptors()).toBeLessThan(before + 10);
	const reply = asRoot(
		"timeout 30 perl -e 'use Socket; socket(my $s, 2, 1, 0); setsockopt($s, 1, 2, 1); bind($s, pack_sockaddr_in(9, INADDR_ANY)) or die; listen($s, 1); accept(my $c, $s); syswrite($c, qq(still here))'",
	);
	expect(await fromPort(20)).toBe("still here");
	await reply;
}, 240_000);

/** What the published port says, as soon as somebody in the guest listens. */
async function fromPort(seconds: number): Promise<string> {
	const end = Date.now() + seconds * 1000;
	let text = "";
	while (text === "" && Date.now() < end) {
		const socket = net.connect(port, "127.0.0.1").on("error", () => {});
		for await (const chunk of socket) text += chunk;
		await Bun.sleep(200);
	}
	return text;
}

test("a full disk in the guest is the guest's memory, and its own trouble", async () => {
	const full = await asRoot("dd if=/dev/zero of=/fill bs=1M 2>&1; rm /fill; echo freed");
	expect(full.stdout).toContain("No space left on device");
	expect(full.stdout).toContain("freed");
}, 120_000);

test("the balloon's driver, taken away and given back for 5 s", async () => {
	const script = `cd /sys/bus/virtio/drivers/virtio_balloon && device=$(basename $(ls -d virtio*)) &&
end=$((SECONDS + 5)); while [ $SECONDS -lt $end ]; do echo $device >unbind; echo $device >bind; n=$((n + 1)); done; echo $n`;
	const { stdout, stderr } = await asRoot(script);
	expect([Number.parseInt(stdout, 10) > 0, stderr]).toEqual([true, ""]);
}, 60_000);

test("a fork bomb: the launcher can still end its machine", async () => {
	// The most that it was, for as long as it can be asked.
	expect(mostMemory(hostile.pid)).toBeLessThan(LAUNCHER_MIB_MAX);
	const bomb = inside("bomb() { bomb | bomb & }; ulimit -u unlimited; bomb; sleep 20");
	await Bun.sleep(10_000);
	await neighbourIsWell();
	const stopped = await tool([BINARY, "stop", "hostile", "--force"], { env: sandbox.env });
	// Unless it was ended already, as one that does not answer any more.
	if (stopped.code !== 0) expect(hostile.stderr).toContain("does not answer any more");
	const { code } = await hostile.outcome;
	expect(code).not.toBe(0);
	await bomb;
	expect([await sandbox.lingering(5), sandbox.instances()]).toEqual([[], []]);
	ended = true;
}, 90_000);
