/**
 * A hostile guest tries to reach the host: root in the guest, raw frames included. What arrived is counted at the other end. The
 * table that comes out is docs/security-probes.md; `UPDATE_PROBES=1` writes it.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BOOT_TIMEOUT_MS, Sandbox, tool } from "../harness.ts";
import { canPlayInternet, INTERNET, Internet, OTHER_PORT, PLACE, type Place, PORT } from "./internet.ts";

const PROBE = readFileSync(join(import.meta.dir, "probe.pl"), "utf8");
const TABLE = join(import.meta.dir, "../../../docs/security-probes.md");
const GATEWAY = "10.0.2.2";
const GATEWAY6 = "fd76:6768:6f73::2";

/** Every way in which the guest can name a place; a place is reached if one of them arrives. */
interface Probe {
	readonly name: string;
	/** Lines for probe.pl. */
	readonly lines: readonly string[];
	/** Where a connection is counted; null: the guest's own word is all there is. */
	readonly place: Place | null;
	readonly port?: number;
}

const raws = (kinds: readonly string[], to: string) => kinds.map((kind) => `raw ${kind} ${to} ${PORT}`);

const PROBES: readonly Probe[] = [
	{ name: "the internet, IPv4", place: "internet", lines: [`tcp ${INTERNET.ipv4} ${PORT}`] },
	{ name: "the internet, IPv6", place: "internet6", lines: [`tcp ${INTERNET.ipv6} ${PORT}`] },
	{ name: "the internet, a frame made by hand", place: "internet", lines: raws(["plain"], INTERNET.ipv4) },
	{ name: "the internet, the same by IPv6", place: "internet6", lines: raws(["plain"], INTERNET.ipv6) },
	{ name: "a name, by the host's resolver", place: null, lines: [`dns-udp ${query(1)}`] },
	{ name: "a zone transfer from the host's resolver", place: null, lines: [`dns-udp ${query(252)}`] },
	{ name: "TCP to the host's resolver", place: null, lines: ["dns-tcp"] },
	{
		name: "the host's 127.0.0.1",
		place: "loopback",
		lines: [
			...[GATEWAY, "10.0.2.1", "10.0.2.3", "10.0.2.4", "10.0.2.16", "0.0.0.0", "127.0.0.1", "127.0.0.2"].map(
				(to) => `tcp ${to} ${PORT}`,
			),
			...["::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1", "::127.0.0.1"].map((to) => `tcp ${to} ${PORT}`),
			...raws(["plain", "options", "fragments", "spoofed", "tunnel", "vlan"], "127.0.0.1"),
			...raws(["plain"], "0.0.0.0"),
			...raws(["plain", "destopts"], "::ffff:127.0.0.1"),
		],
	},
	{
		name: "another port of the host's 127.0.0.1",
		place: "loopback",
		port: OTHER_PORT,
		lines: [`tcp ${GATEWAY} ${OTHER_PORT}`],
	},
	{
		name: "the host's ::1",
		place: "loopback6",
		lines: [
			`tcp ${GATEWAY6} ${PORT}`,
			`tcp ::1 ${PORT}`,
			...raws(["plain", "destopts"], "::1"),
			...raws(["plain"], "::"),
		],
	},
	{
		name: "the host's address in its LAN",
		place: "card",
		lines: [
			`tcp ${PLACE.card} ${PORT}`,
			`tcp ::ffff:${PLACE.card} ${PORT}`,
			...raws(["plain", "options", "fragments", "tunnel", "vlan"], PLACE.card),
		],
	},
	{ name: "the same, another port", place: "card", port: OTHER_PORT, lines: [`tcp ${PLACE.card} ${OTHER_PORT}`] },
	{
		name: "the host's address in its LAN, IPv6",
		place: "card6",
		lines: [`tcp ${PLACE.card6} ${PORT}`, ...raws(["plain", "destopts"], PLACE.card6)],
	},
	{
		name: "a public address of the host's",
		place: "ownPublic",
		lines: [`tcp ${PLACE.ownPublic} ${PORT}`, ...raws(["plain"], PLACE.ownPublic)],
	},
	{
		name: "another machine in the LAN",
		place: "neighbour",
		lines: [`tcp ${PLACE.neighbour} ${PORT}`, ...raws(["plain", "options"], PLACE.neighbour)],
	},
	{
		name: "another machine in the LAN, IPv6",
		place: "neighbour6",
		lines: [`tcp ${PLACE.neighbour6} ${PORT}`, ...raws(["destopts"], PLACE.neighbour6)],
	},
	{
		name: "a neighbour with a public address",
		place: "neighbourPublic",
		lines: [`tcp ${PLACE.neighbourPublic} ${PORT}`],
	},
	{
		name: "cloud metadata, 169.254.169.254",
		place: "metadata",
		lines: [`tcp ${PLACE.metadata} ${PORT}`, ...raws(["plain", "vlan"], PLACE.metadata)],
	},
	{
		name: "vsock: the host (CID 2), ports 1 to 1023 and the agent's",
		place: null,
		lines: ["vsock 2 1 1023", "vsock 2 5222 5222"],
	},
	{ name: "vsock: another machine", place: null, lines: ["vsock 4 5222 5222", "vsock 5 5222 5222"] },
];

/** A DNS question for internet.test. */
function query(type: number): string {
	const name = Buffer.from("\x08internet\x04test\0", "latin1");
	return Buffer.concat([
		Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
		name,
		Buffer.from([0, type, 0, 1]),
	]).toString("hex");
}

const COLUMNS = {
	default: [],
	"--network none": ["--network", "none"],
	"--network host": ["--network", "host"],
	[`--allow 127.0.0.1:${PORT}`]: ["--allow", `127.0.0.1:${PORT}`],
	"--allow the host's LAN address": ["--allow", `${PLACE.card}:${PORT}`],
	"--deny 0.0.0.0/0": ["--deny", "0.0.0.0/0"],
} as const;

type Column = keyof typeof COLUMNS;

const results = new Map<Column, readonly boolean[]>();
const opened: Partial<Record<Column, Record<string, number>>> = {};
let sandbox: Sandbox;
let internet: Internet;
let launcher: string;

beforeAll(async () => {
	if (!canPlayInternet()) return;
	sandbox = new Sandbox();
	internet = await Internet.open(sandbox.root);
	launcher = internet.launcher(sandbox);
}, BOOT_TIMEOUT_MS);

afterAll(async () => {
	if (!canPlayInternet()) return;
	await internet[Symbol.asyncDispose]();
	sandbox[Symbol.dispose]();
}, BOOT_TIMEOUT_MS);

/** Starts a machine, gives the guest the probe, and notes which places were reached. */
async function tryFrom(column: Column): Promise<readonly boolean[]> {
	const flags = ["--accel", "tcg", "--gpu", "none", "--name", "hostile", ...COLUMNS[column]];
	const started = await sandbox.run(["run", "--detach", ...flags], { binary: launcher });
	if (started.code !== 0) throw new Error(started.stderr);
	try {
		const vg = (argv: readonly string[], input?: string) =>
			tool([launcher, ...argv], { env: sandbox.env, ...(input === undefined ? {} : { input }) });
		const cards = (await vg(["exec", "hostile", "--", "ls", "/sys/class/net"])).stdout;
		expect(cards).toBe(column === "--network none" ? "lo\n" : "lo\nnet0\n");
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

const INTERNET_PLACES = [`internet:${PORT}`, `internet6:${PORT}`];

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
	const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
	const table = [
		row(["The guest's root tries", ...columns.map((column) => (column === "default" ? "default" : `\`${column}\``))]),
		row(["---", ...columns.map(() => "---")]),
		...PROBES.map(({ name }, i) =>
			row([name, ...columns.map((column) => (results.get(column)?.[i] ? "**reached**" : "–"))]),
		),
	].join("\n");
	const text = readFileSync(TABLE, "utf8");
	const [head = "", tail = ""] = [text.split("<!-- probes -->\n")[0], text.split("\n<!-- end -->")[1]];
	const whole = `${head}<!-- probes -->\n${table}\n<!-- end -->${tail}`;
	if (process.env.UPDATE_PROBES) writeFileSync(TABLE, whole);
	else expect(text).toBe(whole);
});
