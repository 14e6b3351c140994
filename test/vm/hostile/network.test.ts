/**
 * A hostile guest tries to reach the host: root in the guest, raw frames included. What arrived is counted at the other end. The
 * table that comes out is the first one of docs/security-probes.md.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BOOT_TIMEOUT_MS, Sandbox, tool } from "../harness.ts";
import { canPlayInternet, Internet, PORT } from "./internet.ts";
import { COLUMNS, type Column, PROBES } from "./probes.ts";
import { checkTable } from "./table.ts";

const PROBE = readFileSync(join(import.meta.dir, "probe.pl"), "utf8");
const results = new Map<Column, readonly boolean[]>();
const opened: Partial<Record<Column, Record<string, number>>> = {};
const FLAGS = ["--accel", "tcg", "--display", "none", "--gpu", "none"] as const;
let sandbox: Sandbox;
let internet: Internet;
let launcher: string;

beforeAll(async () => {
	if (!canPlayInternet()) return;
	sandbox = new Sandbox();
	internet = await Internet.open();
	launcher = internet.launcher(sandbox);
	for (const flags of [[], COLUMNS["--network none"]]) {
		expect((await sandbox.run(["prewarm", ...FLAGS, ...flags], { binary: launcher })).code).toBe(0);
	}
}, BOOT_TIMEOUT_MS);

afterAll(async () => {
	if (!canPlayInternet()) return;
	await internet[Symbol.asyncDispose]();
	sandbox[Symbol.dispose]();
}, BOOT_TIMEOUT_MS);

/** Starts a machine, gives the guest the probe, and notes which places were reached. */
async function tryFrom(column: Column): Promise<readonly boolean[]> {
	// The default is booted. The others are restored, and have the agent's card besides.
	const isCold = column === "default";
	const flags = ["-v", ...FLAGS, "--name", "hostile", ...COLUMNS[column], ...(isCold ? ["--cold"] : [])];
	const started = await sandbox.run(["run", "--detach", ...flags], { binary: launcher });
	if (started.code !== 0) throw new Error(started.stderr);
	expect(/snapshot: [0-9a-f]{20}/.test(started.stderr)).toBe(!isCold);
	try {
		const vg = (argv: readonly string[], input?: string) =>
			tool([launcher, ...argv], { env: sandbox.env, ...(input === undefined ? {} : { input }) });
		const cards = (await vg(["exec", "hostile", "--", "ls", "/sys/class/net"])).stdout;
		expect(cards).toBe(`${isCold ? "" : "control0\n"}lo\n${column === "--network none" ? "" : "net0\n"}`);
		await vg(["exec", "hostile", "--root", "--", "sh", "-c", "cat > /tmp/probe.pl"], PROBE);
		const reached: boolean[] = [];
		const before = await internet.counts();
		for (const { place, port, lines } of PROBES) {
			const from = place === null ? 0 : await internet.count(place, port);
			const { stdout, stderr } = await vg(
				["exec", "hostile", "--root", "--", "perl", "/tmp/probe.pl"],
				`${lines.join("\n")}\n`,
			);
			// Each line was tried, or the probe is broken.
			expect([stdout.trim().split("\n").length, stderr]).toEqual([lines.length, ""]);
			if (process.env.SHOW_PROBES) process.stderr.write(`${column}\n${stdout}`);
			if (place !== null) reached.push((await internet.count(place, port)) > from);
			else reached.push(/: (answered|connected)/.test(stdout));
		}
		const after = await internet.counts();
		opened[column] = Object.fromEntries(Object.entries(after).filter(([key, count]) => count > (before[key] ?? 0)));
		return reached;
	} finally {
		await sandbox.run(["stop", "hostile", "--force"], { binary: launcher });
	}
}

const INTERNET_PLACES = [`internet6:${PORT}`, `internet:${PORT}`];

test.skipIf(!canPlayInternet()).each(Object.keys(COLUMNS) as Column[])(
	"%s",
	async (column) => {
		results.set(column, await tryFrom(column));
		const reached = Object.keys(opened[column] ?? {}).sort();
		switch (column) {
			case "default":
				return expect(reached).toEqual(INTERNET_PLACES);
			case "--network none":
				return expect(reached).toEqual([]);
			case "--network host":
				return expect(reached).toContain(`loopback:${PORT}`);
			case "--deny 0.0.0.0/0":
				return expect(reached).toEqual([`internet6:${PORT}`]);
			case "--allow the host's LAN address":
				return expect(reached).toEqual([`card:${PORT}`, ...INTERNET_PLACES]);
			default:
				return expect(reached).toEqual([...INTERNET_PLACES, `loopback:${PORT}`]);
		}
	},
	3 * BOOT_TIMEOUT_MS,
);

test.skipIf(!canPlayInternet())(
	"the resolver on the host's loopback got questions only, and no connection but in --network host",
	() => {
		const hostColumn = results.get("--network host") ?? [];
		const tcpRow = PROBES.findIndex(({ lines }) => lines[0] === "dns-tcp");
		expect(hostColumn[tcpRow]).toBe(true);
		expect(internet.dns.connections).toBe(1);
		expect(internet.dns.questions).toBeGreaterThan(0);
	},
);

test.skipIf(!canPlayInternet())("docs/security-probes.md says what was seen", () => {
	const columns = Object.keys(COLUMNS) as Column[];
	checkTable("probes", columns, (column) =>
		PROBES.map(({ name }, i) => [name, results.get(column)?.[i] ?? false] as const),
	);
});
