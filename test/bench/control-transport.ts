#!/usr/bin/env bun
/**
 * Three ways to a program in the guest, measured in one machine and one run: vhost-user-vsock, TCP through QEMU's user
 * network (from a port and from a Unix socket), and a virtio-serial port. `bun test/bench/control-transport.ts [MiB] [rounds] [raw|ssh]`
 * after `bun build.ts`; the figures are in docs/decisions/control-transport.md.
 *
 * A Perl program in the guest answers "s N" with N bytes and takes N bytes after "k N".
 */
import net from "node:net";
import { join } from "node:path";
import { connectHybrid } from "../../src/network/hybrid-vsock.ts";
import { Sandbox } from "../vm/harness.ts";
import { openInside } from "../vm/inside.ts";

const [mib = 32, rounds = 3] = process.argv.slice(2, 4).map(Number);
/** "raw" or "ssh" alone; both without it. */
const part = process.argv[4];
const BYTES = mib * 1024 * 1024;
const CONNECTS = 20;
const PORT = 6000;

/** "connect" is answered with "!" by the guest, so that it is the guest's program that is timed. */
const SERVER = String.raw`
use Socket;
sub serve { my ($fh) = @_; my ($block, $buffer) = ("x" x 65536, "");
  while (1) {
    my $line = ""; while ($line !~ /\n/) { my $n = sysread($fh, my $c, 1); return unless $n; $line .= $c; }
    my ($what, $left) = split " ", $line;
    if ($what eq "s") { while ($left > 0) { my $n = syswrite($fh, $block, $left < 65536 ? $left : 65536); return unless $n; $left -= $n; } }
    elsif ($what eq "k") { while ($left > 0) { my $n = sysread($fh, $buffer, $left < 65536 ? $left : 65536); return unless $n; $left -= $n; } syswrite($fh, "!"); }
    else { syswrite($fh, "!"); } } }
sub listener { my ($socket) = @_; listen($socket, 16) or die "listen: $!"; return if fork;
  while (1) { accept(my $c, $socket) or next; if (!fork) { syswrite($c, "!"); serve($c); exit 0 } close $c; wait if 0; } }
$SIG{CHLD} = "IGNORE";
socket(my $v, 40, SOCK_STREAM, 0) or die "vsock: $!"; bind($v, pack("SSLLx4", 40, 0, ${PORT}, 0xffffffff)) or die "bind vsock: $!"; listener($v);
socket(my $t, PF_INET, SOCK_STREAM, 0) or die; setsockopt($t, SOL_SOCKET, SO_REUSEADDR, 1); bind($t, sockaddr_in(${PORT}, INADDR_ANY)) or die "bind tcp: $!"; listener($t);
if (!fork) { open(my $s, "+<:raw", "/dev/virtio-ports/bench") or die "serial: $!"; serve($s) while 1; }
`;

const NETWORK = `sudo modprobe virtio_net; for n in $(seq 50); do card=$(grep -l 52:54:00:00:00:99 /sys/class/net/*/address | cut -d/ -f5); [ -n "$card" ] && break; sleep 0.1; done
sudo systemctl stop systemd-networkd.socket systemd-networkd 2>/dev/null; sudo ip addr add 10.0.2.15/24 dev $card; sudo ip link set $card up
open=$(grep -l 52:54:00:00:00:98 /sys/class/net/*/address | cut -d/ -f5); sudo ip addr add 10.0.3.15/24 dev $open; sudo ip link set $open up; sleep 1; ip -br addr`;

/** What can be reached from a card with restrict=on (a listener on the host, the name server, the world), and from one without it. */
const REACH = (port: number) => String.raw`perl -MIO::Socket::INET -e '
for ("10.0.3.2:${port}", "10.0.2.2:${port}", "10.0.2.3:53", "10.0.2.2:53", "1.1.1.1:443") { my $s = IO::Socket::INET->new(PeerAddr => $_, Timeout => 4); print "$_ ", ($s ? "REACHED" : "no ($!)"), "\n" }
my $u = IO::Socket::INET->new(PeerAddr => "10.0.2.3:53", Proto => "udp"); send($u, pack("nnnnnn", 7, 256, 1, 0, 0, 0) . "\7example\3com\0" . pack("nn", 1, 1), 0);
my $r = ""; vec($r, fileno($u), 1) = 1; print "udp 10.0.2.3:53 ", (select($r, undef, undef, 4) ? "ANSWERED" : "no answer"), "\n"'; ping -c 1 -W 3 10.0.2.2 2>&1 | tail -n 2`;

function median(values: readonly number[]): number {
	return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Resolves when `bytes` have come. */
function receive(socket: net.Socket, bytes: number): Promise<void> {
	return new Promise((resolve, reject) => {
		let left = bytes;
		const onData = (chunk: Buffer) => {
			left -= chunk.length;
			if (left > 0) return;
			socket.off("data", onData).off("close", onClose);
			resolve();
		};
		const onClose = () => reject(new Error(`closed with ${left} of ${bytes} bytes missing`));
		socket.on("data", onData).on("close", onClose).resume();
	});
}

async function opened(socket: net.Socket): Promise<net.Socket> {
	socket.on("error", () => {});
	await receive(socket, 1);
	return socket;
}

const block = Buffer.alloc(64 * 1024, "y");

async function send(socket: net.Socket, bytes: number): Promise<void> {
	const done = receive(socket, 1);
	socket.write(`k ${bytes}\n`);
	for (let left = bytes; left > 0; left -= block.length) {
		if (!socket.write(block)) await new Promise((resolve) => socket.once("drain", resolve));
	}
	await done;
}

async function timed(action: () => Promise<unknown>): Promise<number> {
	const from = performance.now();
	await action();
	return performance.now() - from;
}

async function benchRaw(sandbox: Sandbox): Promise<void> {
	const reserved = net.createServer().listen(0, "127.0.0.1");
	await new Promise((resolve) => reserved.once("listening", resolve));
	const { port } = reserved.address() as net.AddressInfo;
	await new Promise((resolve) => reserved.close(resolve));
	const unixForward = join(sandbox.runtime, "forward.sock");
	const serialSocket = join(sandbox.runtime, "serial.sock");
	const forwards = [`hostfwd=tcp:127.0.0.1:${port}-10.0.2.15:${PORT}`, `hostfwd=unix:${unixForward}-10.0.2.15:${PORT}`];
	const extra = [
		["-netdev", `user,id=bench,restrict=on,ipv6=off,${forwards.join(",")}`],
		["-device", "virtio-net-pci,netdev=bench,mac=52:54:00:00:00:99,romfile="],
		["-netdev", "user,id=open,net=10.0.3.0/24", "-device", "virtio-net-pci,netdev=open,mac=52:54:00:00:00:98,romfile="],
		["-chardev", `socket,id=benchport,path=${serialSocket},server=on,wait=off`],
		["-device", "virtio-serial-pci,id=benchbus"],
		["-device", "virtserialport,bus=benchbus.0,chardev=benchport,name=bench"],
	].flat();
	await using run = await openInside(sandbox, { control: "vsock", memory: "1G" }, extra);
	const { control } = run.machine.plan;
	if (control.kind !== "vhost-user-vsock") throw new Error(`control is ${control.kind}`);
	using session = await run.machine.login();
	console.log((await session.exec(NETWORK)).stdout.toString().trim());

	const canary = net.createServer((socket) => socket.end("reached\n")).listen(0, "127.0.0.1");
	await new Promise((resolve) => canary.once("listening", resolve));
	const reach = await session.exec(REACH((canary.address() as net.AddressInfo).port));
	console.log(`what the guest reaches:\n${reach.stdout.toString().trim()}${reach.stderr.toString()}`);
	canary.close();

	const started = await session.exec(
		"cat >/tmp/bench.pl; sudo setsid perl /tmp/bench.pl </dev/null >/tmp/bench.log 2>&1 & sleep 2; cat /tmp/bench.log",
		{
			input: SERVER,
		},
	);
	console.log(started.stdout.toString() + started.stderr.toString());

	const ways: Record<string, (() => Promise<net.Socket>) | null> = {
		vsock: async () => await opened((await connectHybrid(control.vsockPath, PORT)) as net.Socket),
		"tcp port": () => opened(net.connect(port, "127.0.0.1")),
		"tcp unix": () => opened(net.connect(unixForward)),
		"virtio-serial": null,
	};
	const serial = net.connect(serialSocket);
	await new Promise((resolve) => serial.once("connect", resolve));
	const results = new Map<string, { out: number[]; into: number[]; connect: number[] }>();
	for (const name of Object.keys(ways)) results.set(name, { out: [], into: [], connect: [] });
	for (let round = 0; round < rounds; round++) {
		for (const [name, connect] of Object.entries(ways)) {
			const result = results.get(name);
			if (!result) continue;
			const socket = connect ? await connect() : serial;
			const outMs = await timed(() => {
				const done = receive(socket, BYTES);
				socket.write(`s ${BYTES}\n`);
				return done;
			});
			const inMs = await timed(() => send(socket, BYTES));
			if (connect) socket.destroy();
			result.out.push(mib / (outMs / 1000));
			result.into.push(mib / (inMs / 1000));
			for (let i = 0; i < CONNECTS / rounds; i++) {
				// The serial port is always open: what it costs is a line there and a byte back.
				const once = connect
					? async () => (await connect()).destroy()
					: () => {
							const answer = receive(serial, 1);
							serial.write("p 0\n");
							return answer;
						};
				result.connect.push(await timed(once));
			}
		}
	}
	const base = results.get("vsock");
	for (const [name, { out, into, connect }] of results) {
		const cell = (values: number[], against: number[] | undefined, unit: string) =>
			`${median(values).toFixed(1)} ${unit} (×${(median(values) / median(against ?? [])).toFixed(2)}; ${values.map((value) => value.toFixed(1)).join(" ")})`;
		console.log(`${name}: out ${cell(out, base?.out, "MiB/s")}`);
		console.log(`${name}: in ${cell(into, base?.into, "MiB/s")}`);
		console.log(
			`${name}: first byte ${median(connect).toFixed(1)} ms (×${(median(connect) / median(base?.connect ?? [])).toFixed(2)})`,
		);
	}
	serial.destroy();
}

/** As the product uses them: a login, and a stream through the agent's SSH server. */
async function benchSsh(sandbox: Sandbox): Promise<void> {
	// There and back, so that a host that gets busier meets each of them alike.
	for (const kind of ["vsock", "unix", "tcp", "tcp", "unix", "vsock"]) {
		await using machine = await openInside(sandbox, { control: kind, memory: "1G" });
		const logins: number[] = [];
		for (let i = 0; i < 5; i++) logins.push(await timed(async () => (await machine.machine.login())[Symbol.dispose]()));
		using ssh = await machine.machine.login();
		const out: number[] = [];
		const into: number[] = [];
		const input = Buffer.alloc(BYTES, "y");
		for (let round = 0; round < rounds; round++) {
			out.push(mib / ((await timed(() => ssh.exec(`head -c ${BYTES} /dev/zero`))) / 1000));
			into.push(mib / ((await timed(() => ssh.exec("cat >/dev/null", { input }))) / 1000));
		}
		const list = (values: number[]) => values.map((value) => value.toFixed(1)).join(" ");
		console.log(`SSH over ${machine.machine.plan.control.kind}: login ${median(logins).toFixed(0)} ms`);
		console.log(
			`  out ${median(out).toFixed(1)} MiB/s (${list(out)}), in ${median(into).toFixed(1)} MiB/s (${list(into)})`,
		);
	}
}

{
	using sandbox = new Sandbox();
	if (part !== "ssh") await benchRaw(sandbox);
	if (part !== "raw") await benchSsh(sandbox);
}
// Only here: it would skip what `using` undoes.
process.exit(0);
