/**
 * The agent against OpenSSH's own sshd, in the same guest, over the same vsock, with the same OpenSSH client, one after the other
 * in one run: `bun test/bench/ssh.ts [MB] [ROUNDS]` (default 64, 5; throughput is taken once). Ends with 1 if the agent is slower than
 * promised.
 */
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AGENT_VSOCK_PORT } from "../../src/wire/names.ts";
import { tool } from "../vm/harness.ts";
import { TestMachine } from "../vm/machine.ts";
import { packSshd, SSHD_VSOCK_PORT, startScript } from "./sshd.ts";

/** Promised: agent / sshd. */
const EXEC_RATIO_MAX = 1.5;
const THROUGHPUT_RATIO_MIN = 0.5;
const EXECS_A_ROUND = 20;

const megabytes = Number(process.argv[2] ?? 64);
const rounds = Number(process.argv[3] ?? 5);
if (![megabytes, rounds].every((each) => Number.isInteger(each) && each >= 1)) {
	console.error("usage: bun test/bench/ssh.ts [MB] [ROUNDS]");
	process.exit(2);
}

await using machine = await TestMachine.start();
const config = join(machine.sandbox.root, "bench_config");
await startSshd();
writeConfig();

/** Seconds of a command of OpenSSH's client. @throws Error if it fails */
async function seconds(args: readonly string[], input?: Bun.BunFile): Promise<number> {
	const result = await tool(["ssh", "-F", config, ...args], { env: machine.env, ...(input ? { input } : {}) });
	if (result.code !== 0) throw new Error(`ssh ${args.join(" ")}: ${result.code} ${result.stderr}`);
	return result.seconds;
}

async function startSshd(): Promise<void> {
	const tar = Bun.file(await packSshd(machine.sandbox.root));
	const unpacked = await machine.vg(["exec", "--root", "--", "tar", "-C", "/", "--skip-old-files", "-x"], {
		input: tar,
	});
	const { stdout: key } = await tool(["ssh-keygen", "-y", "-f", join(machine.folder, "id_ed25519")]);
	const started = await machine.vg(["exec", "--root", "--", "bash"], { input: startScript(key) });
	if (unpacked.code !== 0 || started.code !== 0) throw new Error(unpacked.stderr + started.stderr);
}

/** Both by the same small proxy, which only joins stdin and stdout to the vsock port. */
function writeConfig(): void {
	writeFileSync(config, "");
	for (const [host, port] of [
		["agent", AGENT_VSOCK_PORT],
		["sshd", SSHD_VSOCK_PORT],
	] as const) {
		const proxy = `${process.execPath} ${join(import.meta.dir, "vsock-proxy.ts")} ${join(machine.folder, "q/vsock")} ${port}`;
		const lines = [
			"User ghost",
			`ProxyCommand ${proxy}`,
			`IdentityFile ${join(machine.folder, "id_ed25519")}`,
			"IdentitiesOnly yes",
			"StrictHostKeyChecking no",
			`UserKnownHostsFile ${join(machine.sandbox.root, "bench_hosts")}`,
			"LogLevel ERROR",
			`ControlPath ${join(machine.sandbox.root, `mux-${host}`)}`,
		];
		appendFileSync(config, `Host ${host}\n${lines.map((line) => `  ${line}\n`).join("")}`);
	}
}

type Host = "agent" | "sshd";
const HOSTS: readonly Host[] = ["agent", "sshd"];

/** Median over the rounds of agent and of sshd, taken in turns. */
async function compare(name: string, measure: (host: Host) => Promise<number>, turns = rounds) {
	const times: Record<Host, number[]> = { agent: [], sshd: [] };
	for (let i = 0; i < turns; i++) for (const host of HOSTS) times[host].push(await measure(host));
	const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
	const result = { name, agent: median(times.agent), sshd: median(times.sshd) };
	console.log(
		`${name}: agent ${result.agent.toFixed(3)} s, sshd ${result.sshd.toFixed(3)} s, ratio ${(result.agent / result.sshd).toFixed(2)}`,
	);
	return result.agent / result.sshd;
}

// Connects once, so that what follows is the exec alone.
const masters = HOSTS.map((host) => Bun.spawn(["ssh", "-F", config, "-M", "-N", host], { env: machine.env }));
await Bun.sleep(5000);
for (const host of HOSTS) await seconds(["-o", "ControlMaster=no", host, "true"]);
await compare("warm up", (host) => seconds([host, "true"]));
const exec = await compare(`${EXECS_A_ROUND} execs on one connection`, async (host) => {
	let sum = 0;
	for (let i = 0; i < EXECS_A_ROUND; i++) sum += await seconds([host, "true"]);
	return sum;
});
for (const master of masters) master.kill();
await Promise.all(masters.map((master) => master.exited));
const login = await compare("login, exec, logout", (host) => seconds([host, "true"]));

const file = join(machine.sandbox.root, "content");
await tool(["sh", "-c", `head -c ${megabytes}M /dev/urandom >${file}`]);
const up = await compare(
	`${megabytes} MiB to the guest`,
	(host) => seconds([host, "cat >/dev/null"], Bun.file(file)),
	1,
);
const down = await compare(
	`${megabytes} MiB from the guest`,
	(host) => seconds([host, `head -c ${megabytes}M /dev/zero`]),
	1,
);

// Times: the smaller the better. Throughput is their inverse.
const broken = [
	exec > EXEC_RATIO_MAX && `exec takes ${exec.toFixed(2)} times as long as with sshd`,
	login > EXEC_RATIO_MAX && `login and exec take ${login.toFixed(2)} times as long as with sshd`,
	1 / up < THROUGHPUT_RATIO_MIN && `only ${(1 / up).toFixed(2)} of sshd's throughput to the guest`,
	1 / down < THROUGHPUT_RATIO_MIN && `only ${(1 / down).toFixed(2)} of sshd's throughput from the guest`,
].filter(Boolean);
for (const each of broken) console.error(`slower than promised: ${each}`);
process.exitCode = broken.length === 0 ? 0 : 1;
