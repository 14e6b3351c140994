/** The network of machines from a snapshot: it is there when the agent is, and each machine has its own behind the same card. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { BOOT_TIMEOUT_MS, type Outcome, Sandbox, tool } from "./harness.ts";
import { canPlayInternet, INTERNET, Internet, PLACE, PORT } from "./hostile/internet.ts";

const FLAGS = ["--accel", "tcg", "--gpu", "none", "--memory", "1G"] as const;
let sandbox: Sandbox;
let internet: Internet;
let launcher: string;

const vg = (argv: readonly string[]): Promise<Outcome> => tool([launcher, ...argv], { env: sandbox.env });
const guest = (name: string, script: string) => vg(["exec", name, "--", "sh", "-c", script]);
const greet = (host: string) => `timeout 10 bash -c 'cat < /dev/tcp/${host}/${PORT}'`;

beforeAll(async () => {
	if (!canPlayInternet()) return;
	sandbox = new Sandbox();
	internet = await Internet.open();
	launcher = internet.launcher(sandbox);
	const made = await vg(["prewarm", ...FLAGS, "--display", "none"]);
	if (made.code !== 0) throw new Error(made.stderr);
}, 2 * BOOT_TIMEOUT_MS);

afterAll(async () => {
	if (!canPlayInternet()) return;
	await internet[Symbol.asyncDispose]();
	sandbox[Symbol.dispose]();
}, BOOT_TIMEOUT_MS);

async function start(name: string, flags: readonly string[] = []): Promise<void> {
	const started = await vg(["run", "--detach", "-v", "--name", name, ...FLAGS, "--display", "none", ...flags]);
	expect([started.code, started.stderr]).toEqual([0, expect.stringContaining(`snapshot: ${snapshot()}`)]);
}

function snapshot(): string {
	return readdirSync(join(sandbox.cache, "snapshots")).filter((name) => /^[0-9a-f]{20}$/.test(name))[0] ?? "none";
}

test.skipIf(!canPlayInternet())(
	"two restored machines: the internet and names at once, not the LAN",
	async () => {
		await Promise.all([start("warm-a"), start("warm-b")]);
		expect((await guest("warm-a", greet(INTERNET.ipv4))).stdout).toBe(`here is ${INTERNET.ipv4}\n`);
		expect((await guest("warm-b", greet("name.test"))).stdout).toBe(`here is ${INTERNET.ipv4}\n`);
		expect((await guest("warm-b", greet(INTERNET.ipv6))).stdout).toBe(`here is ${INTERNET.ipv6}\n`);
		// Refused at once, and told so.
		const refused = await guest("warm-a", greet(PLACE.neighbour));
		expect([refused.code, refused.stderr, refused.seconds < 8]).toEqual([
			1,
			expect.stringContaining("No route to host"),
			true,
		]);
		expect(await internet.count("neighbour")).toBe(0);
		const { stdout } = await vg(["list"]);
		expect(stdout).toMatch(/^NAME .*NETWORK/);
		expect(stdout).toMatch(/^warm-a .*\[internet\]/m);
		await Promise.all(["warm-a", "warm-b"].map((name) => vg(["stop", name, "--force"])));
	},
	BOOT_TIMEOUT_MS,
);

test.skipIf(!canPlayInternet())(
	"--allow and --network host take the same snapshot; a command has the network from its first moment",
	async () => {
		const run = async (flags: readonly string[]) => {
			const script = `timeout 10 bash -c 'cat < /dev/tcp/${PLACE.neighbour}/${PORT}'; systemctl is-active systemd-networkd systemd-resolved`;
			const done = await vg(["run", "-v", ...FLAGS, ...flags, "--", "sh", "-c", script]);
			expect(done.stderr).toContain(`snapshot: ${snapshot()}`);
			return done.stdout.split("\n");
		};
		for (const flags of [
			["--allow", `${PLACE.neighbour}:${PORT}`],
			["--network", "host"],
		]) {
			expect(await run(flags)).toEqual([`here is ${PLACE.neighbour}`, "inactive", "inactive", ""]);
		}
		expect(await sandbox.lingering(10)).toEqual([]);
	},
	BOOT_TIMEOUT_MS,
);

test.skipIf(!canPlayInternet())(
	"a cold machine: the same, from the first moment; --network none has no card",
	async () => {
		const cold = (flags: readonly string[], script: string) =>
			vg(["run", "--cold", ...FLAGS, ...flags, "--", "sh", "-c", script]);
		expect((await cold([], greet("name.test"))).stdout).toBe(`here is ${INTERNET.ipv4}\n`);
		expect((await cold(["--network", "none"], "ls /sys/class/net; ip route")).stdout).toBe("lo\n");
	},
	2 * BOOT_TIMEOUT_MS,
);
