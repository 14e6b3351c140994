/** The same machine, reached in each of the ways that exist here; and what a control card must not lead to. */
import { describe, expect, mock, test } from "bun:test";
import { once } from "node:events";
import net from "node:net";
import * as tcp from "../../src/network/tcp.ts";
import { CONTROL_CARD } from "../../src/wire/names.ts";
import { BOOT_TIMEOUT_MS, Sandbox } from "./harness.ts";
import { openInside } from "./inside.ts";

interface Report {
	checks: { name: string; ok: boolean; detail: string }[];
}

describe.each([
	["vsock", /^vhost-(user-)?vsock,/],
	["unix", /^unix,/],
	["tcp", /^tcp,/],
] as const)("--control %s", (control, kind) => {
	test(
		"all checks of the headless test pass",
		async () => {
			using sandbox = new Sandbox();
			const args = ["run", "--headless-test", "--json", "--accel", "tcg", "--control", control];
			const { code, stdout, stderr } = await sandbox.run(args);
			expect([code, stderr]).toEqual([0, ""]);
			const { checks } = JSON.parse(stdout) as Report;
			expect(checks.filter((check) => !check.ok)).toEqual([]);
			expect(checks.length).toBe(11);
			expect(checks.find((check) => check.name === "agent answers")?.detail).toMatch(kind);
			expect([sandbox.processes(), sandbox.instances()]).toEqual([[], []]);
		},
		BOOT_TIMEOUT_MS,
	);
});

/** Each target's line ends with "reached" or "no". QEMU is .2 of the card's network, its name server .3. */
const REACH = String.raw`use IO::Socket::INET;
my ($port, @hosts) = @ARGV;
for my $host (@hosts) { my $s = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Timeout => 5); print "tcp $host ", ($s ? "reached" : "no"), "\n" }
for my $host (@hosts) {
  my $u = IO::Socket::INET->new(PeerAddr => $host, PeerPort => 53, Proto => "udp") or (print("udp $host no\n"), next);
  send($u, pack("nnnnnn", 7, 256, 1, 0, 0, 0) . "\7example\3com\0" . pack("nn", 1, 1), 0);
  my $r = ""; vec($r, fileno($u), 1) = 1; my $n = select($r, undef, undef, 3);
  print "udp $host ", ($n && defined(recv($u, my $answer, 512, 0)) ? "reached" : "no"), "\n" }
`;

const network = (last: number) => CONTROL_CARD.address.replace(/\d+$/, String(last));

test(
	"through the control card the guest reaches nothing; no network service runs for it; a stopped agent is told at once",
	async () => {
		using sandbox = new Sandbox();
		const listener = net.createServer((socket) => socket.end()).listen(0, "127.0.0.1");
		await once(listener, "listening");
		const { port } = listener.address() as net.AddressInfo;
		// A second card without `restrict` shows that the same probe does reach the host where it may.
		const open = ["-netdev", "user,id=open,net=10.0.3.0/24", "-device", "virtio-net-pci,netdev=open,romfile="];
		await using run = await openInside(sandbox, { control: "tcp", memory: "1G" }, open);
		expect(run.machine.plan.control.kind).toBe("tcp");
		using session = await run.machine.login();
		const exec = async (command: string, input = "") =>
			(await session.exec(command, { input, timeoutMs: 120_000 })).stdout.toString();

		const card = await exec(`ip -br addr show ${CONTROL_CARD.name}; ip route show default`);
		expect(card).toContain(`${CONTROL_CARD.address}/24`);
		expect(card).not.toContain(`dev ${CONTROL_CARD.name}`);
		const targets = [network(2), network(3), "10.0.3.2"].join(" ");
		// The other card has its address from networkd, which only that one has started.
		const wait = "for i in $(seq 60); do ip -br addr | grep -q 10.0.3.15 && break; sleep 0.5; done";
		const reached = await exec(`${wait}; perl - ${port} ${targets}`, REACH);
		expect(reached.split("\n").filter((line) => line.includes("192.0.2."))).toEqual([
			`tcp ${network(2)} no`,
			`tcp ${network(3)} no`,
			`udp ${network(2)} no`,
			`udp ${network(3)} no`,
		]);
		expect(reached).toContain("tcp 10.0.3.2 reached");
		expect(await exec("networkctl --no-pager list control0")).toContain("unmanaged");
		listener.close();

		await exec("sudo systemd-run --quiet --on-active=1 systemctl stop virtualghost-agent.service");
		// Ends with the connection, whatever was still running.
		await session.exec("sleep 60").catch(() => {});
		const from = performance.now();
		const failure = await run.machine.login().catch((error: unknown) => error);
		expect(failure).toMatchObject({
			message: "The guest's agent cannot be reached",
			details: { why: "nothing listens on that port in the guest" },
		});
		expect(performance.now() - from).toBeLessThan(5000);
	},
	BOOT_TIMEOUT_MS,
);

test(
	"a port that is taken is replaced by another; the control card alone starts no network service",
	async () => {
		using sandbox = new Sandbox();
		const taken = net.createServer().listen(0, "127.0.0.1");
		await once(taken, "listening");
		const { port } = taken.address() as net.AddressInfo;
		const ports = [port];
		const real = { ...tcp };
		await mock.module("../../src/network/tcp.ts", () => ({
			...real,
			findFreePort: () => ports.pop() ?? real.findFreePort(),
		}));
		await using run = await openInside(sandbox, { control: "tcp", memory: "1G" });
		await mock.module("../../src/network/tcp.ts", () => real);
		taken.close();
		expect(sandbox.logs("launcher.log")).toContain(`Could not set up host forwarding rule 'tcp:127.0.0.1:${port}-`);
		using session = await run.machine.login();
		const { stdout } = await session.exec("systemctl is-active systemd-networkd systemd-resolved; ls /sys/class/net");
		expect(stdout.toString().trim().split("\n")).toEqual(["inactive", "inactive", CONTROL_CARD.name, "lo"]);
	},
	BOOT_TIMEOUT_MS,
);
