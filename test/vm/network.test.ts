/** The network of machines from a snapshot: one snapshot for every policy, a card with a MAC of its own for each machine. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { BOOT_TIMEOUT_MS, type Outcome, Sandbox, tool } from "./harness.ts";
import { canPlayInternet, INTERNET, Internet, PLACE, PORT } from "./hostile/internet.ts";

const FLAGS = ["--accel", "tcg", "--gpu", "none", "--memory", "1G"] as const;
/** Says the card's MAC when there is a way out, fails after a minute. */
const WAIT =
	"for i in $(seq 600); do ip route | grep -q ^default && exec cat /sys/class/net/e*/address; sleep 0.1; done; exit 1";
let sandbox: Sandbox;
let internet: Internet;
let launcher: string;

const vg = (argv: readonly string[]): Promise<Outcome> => tool([launcher, ...argv], { env: sandbox.env });
const guest = (name: string, script: string) => vg(["exec", name, "--", "sh", "-c", script]);
const greet = (host: string) => `timeout 10 bash -c 'cat < /dev/tcp/${host}/${PORT}'`;

beforeAll(async () => {
	if (!canPlayInternet()) return;
	sandbox = new Sandbox();
	internet = await Internet.open(sandbox.root);
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
	"two restored machines: the internet and names, not the LAN, and no MAC in common",
	async () => {
		await Promise.all([start("warm-a"), start("warm-b")]);
		const macs = [await guest("warm-a", WAIT), await guest("warm-b", WAIT)].map(({ stdout }) => stdout.trim());
		expect(macs.every((mac) => /^52:54:00(:[0-9a-f]{2}){3}$/.test(mac))).toBe(true);
		expect(new Set(macs).size).toBe(2);
		expect((await guest("warm-a", greet(INTERNET.ipv4))).stdout).toBe(`here is ${INTERNET.ipv4}\n`);
		expect((await guest("warm-b", greet("name.test"))).stdout).toBe(`here is ${INTERNET.ipv4}\n`);
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
	"--network none and --allow take the same snapshot",
	async () => {
		await Promise.all([start("none", ["--network", "none"]), start("open", ["--allow", `${PLACE.neighbour}:${PORT}`])]);
		expect((await guest("none", "ls /sys/class/net")).stdout).toBe("control0\nlo\n");
		expect((await vg(["list", "--json"])).stdout).toContain('"[offline]"');
		await guest("open", WAIT);
		expect((await guest("open", greet(PLACE.neighbour))).stdout).toBe(`here is ${PLACE.neighbour}\n`);
		await Promise.all(["none", "open"].map((name) => vg(["stop", name, "--force"])));
		expect(await sandbox.lingering(10)).toEqual([]);
	},
	BOOT_TIMEOUT_MS,
);
