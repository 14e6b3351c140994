/**
 * How long a start takes, everything in one run on one machine:
 *
 *     bun test/bench/start.ts [--rounds N] [--quick] [--peers] [--only ROWS] [--json FILE]
 *
 * It takes dist/virtualghost as it was built, Xvfb with openbox, and software emulation (TCG) for every row. The rows are taken in turns, so that
 * what else the machine does meets all of them. Ends with 1 where a promise is broken or a row failed. `--quick` is one round, for development.
 *
 * Every row is counted in seconds from the moment before the program is started (QEMU, our launcher, or the peer's). The moments:
 *
 * - floor: the same QEMU, kernel, processor and memory as in our own rows, with an initramfs whose only program powers off. Until QEMU has ended.
 * - agent answers: the launcher has said that the system is up, and then an SSH login of another process's was let in and its `hello` answered.
 * - prompt drawn: the shell's prompt stands on the screen of the X server, found by its colour in the frame buffer every 20 ms. The same for
 *   stock and for ours: the same shell settings, the same terminal, the same window (SDL, 1280x800).
 * - live prompt: four letters typed on the X server's keyboard have appeared behind the prompt. Typed again every second until they do.
 * - end to end: `run -- true` has ended with 0.
 * - a command's output: a peer has printed what a command in its machine wrote.
 *
 * Stock is Debian 13 with its default systemd, all of the kernel's modules, cage and foot, logged in through logind; on the same kind of disk
 * as ours (EROFS under a tmpfs) behind an initramfs of a dozen lines, which is quicker than Debian's own. "First run ever" has an empty
 * home: everything is extracted first. "Cold" has the files there and is told not to take a snapshot, "warm" takes one that `prewarm` made; a start
 * that was not what its row says is an error. Files that were read before are in the host's page cache, in every row but the first of a kind.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { Fault } from "../../src/errors.ts";
import { commitOf } from "../../vm-assets/build/assets.ts";
import { Sandbox } from "../vm/harness.ts";
import { REPO, testContext } from "../vm/vfio/image.ts";
import { type BareMachine, bareMachine, floor, stock } from "./start/bare.ts";
import { type StartImages, startImages } from "./start/images.ts";
import { guestMemory } from "./start/memory.ts";
import { prewarm, runTrue, startWindow, type WindowMoments, type WindowStart } from "./start/ours.ts";
import { type Peers, preparePeers, vmspawn, vng } from "./start/peers.ts";
import {
	MEMORY_PROMISES,
	MEMORY_ROWS,
	type MemoryRow,
	PEER_PROMISES,
	PROMISES,
	ROWS,
	type Row,
} from "./start/promises.ts";
import { judge, rowTable, summarize, verdictTable } from "./start/report.ts";
import { Screen } from "./start/screen.ts";

const ROUNDS = 5;
const PEER_ROUNDS = 2;

const { values } = parseArgs({
	options: {
		rounds: { type: "string" },
		quick: { type: "boolean", default: false },
		peers: { type: "boolean", default: false },
		only: { type: "string" },
		json: { type: "string", default: join(REPO, "dist/bench/start.json") },
	},
});
const rounds = values.quick ? 1 : Number(values.rounds ?? ROUNDS);
if (!Number.isInteger(rounds) || rounds < 1) {
	console.error("usage: bun test/bench/start.ts [--rounds N] [--quick] [--peers] [--only ROWS] [--json FILE]");
	process.exit(2);
}

const figures: Record<string, number[]> = {};
const failures: string[] = [];
const note = (row: Row | MemoryRow, value: number) => {
	figures[row] = [...(figures[row] ?? []), value];
};

/** Row groups in the order of a round. */
const GROUPS = [
	"floor",
	"stock",
	"cold",
	"first",
	"warm",
	"virgl",
	"cold-true",
	"warm-true",
	"peers",
	"memory",
] as const;
type Group = (typeof GROUPS)[number];
const only = values.only?.split(",");
if (only?.some((name) => !GROUPS.includes(name as Group))) {
	console.error(`--only takes ${GROUPS.join(",")}`);
	process.exit(2);
}
const isWanted = (group: Group) => only === undefined || only.includes(group);

/** One row of one round. A failure is noted and the rest goes on: who comes back after half an hour wants the other figures. */
async function take(group: Group, name: string, measure: () => Promise<string>): Promise<void> {
	if (!isWanted(group)) return;
	// What an earlier row has written must not be written out during this one.
	Bun.spawnSync(["sync"]);
	const from = performance.now();
	try {
		const text = await measure();
		console.error(`  ${name}: ${text} (${((performance.now() - from) / 1000).toFixed(0)} s)`);
	} catch (error) {
		failures.push(`${name}: ${describe(error)}`);
		console.error(`  ${name}: FAILED: ${failures.at(-1)}`);
	}
}

function describe(error: unknown): string {
	if (!(error instanceof Error)) return String(error);
	const { why, tail } = error instanceof Fault ? error.details : {};
	return [error.message, why, tail].filter((part) => part !== undefined).join(": ");
}

type WindowGroup = "cold" | "first" | "warm" | "virgl";

async function takeWindow(group: WindowGroup, sandbox: Sandbox, screen: Screen, start: WindowStart): Promise<void> {
	await take(group, ROWS[`${group}-live`], async () => {
		const moments: WindowMoments = await startWindow(sandbox, screen, start);
		for (const moment of ["agent", "drawn", "live"] as const) note(`${group}-${moment}`, moments[moment]);
		if (group !== "virgl") note(`launcher-${group}`, moments.launcher.resident);
		const { agent, drawn, live } = moments;
		return `agent ${agent.toFixed(2)}, drawn ${drawn.toFixed(2)}, live ${live.toFixed(2)}`;
	});
}

async function takeSeconds(group: Group, row: Row, measure: () => Promise<number>): Promise<void> {
	await take(group, ROWS[row], async () => {
		const seconds = await measure();
		note(row, seconds);
		return seconds.toFixed(2);
	});
}

interface Bench {
	readonly sandbox: Sandbox;
	readonly screen: Screen;
	readonly images: StartImages;
	readonly bare: BareMachine;
}

async function round({ sandbox, screen, images, bare }: Bench): Promise<void> {
	await takeSeconds("floor", "floor", () => floor(bare, images));
	await take("stock", ROWS["stock-live"], async () => {
		const { drawn, live } = await stock(bare, images, screen);
		note("stock-drawn", drawn);
		note("stock-live", live);
		return `drawn ${drawn.toFixed(2)}, live ${live.toFixed(2)}`;
	});
	await takeWindow("cold", sandbox, screen, { gpu: "software", kind: "cold" });
	{
		using fresh = new Sandbox();
		await takeWindow("first", fresh, screen, { gpu: "software", kind: "cold" });
	}
	await takeWindow("warm", sandbox, screen, { gpu: "software", kind: "warm" });
	await takeWindow("virgl", sandbox, screen, { gpu: "virgl", kind: "warm" });
	await takeSeconds("cold-true", "cold-true", () => runTrue(sandbox, "cold"));
	await takeSeconds("warm-true", "warm-true", () => runTrue(sandbox, "warm"));
}

async function takeMemory(sandbox: Sandbox): Promise<void> {
	await take("memory", "memory, cold", async () => {
		const { launcher, idle, held, freed } = await guestMemory(sandbox, "cold");
		note("launcher-idle", launcher.resident);
		note("launcher-own", launcher.own);
		note("qemu-idle", idle);
		note("qemu-held", held);
		note("qemu-freed", freed);
		note("qemu-kept", Math.max(0, freed - idle));
		return `QEMU ${idle.toFixed(0)}, ${held.toFixed(0)}, ${freed.toFixed(0)} MiB`;
	});
	await take("memory", "memory, from a snapshot", async () => {
		const { idle, held, freed } = await guestMemory(sandbox, "warm");
		note("warm-qemu-idle", idle);
		note("warm-qemu-freed", freed);
		return `QEMU ${idle.toFixed(0)}, ${held.toFixed(0)}, ${freed.toFixed(0)} MiB`;
	});
}

async function takePeers(peers: Peers): Promise<void> {
	await takeSeconds("peers", "vmspawn", () => vmspawn(peers));
	await takeSeconds("peers", "vng", () => vng(peers));
}

async function main(): Promise<void> {
	const images = await startImages(testContext());
	const peers = values.peers ? await preparePeers(testContext(), images) : null;
	await using screen = await Screen.start();
	using sandbox = new Sandbox();
	const wanted = [
		...(isWanted("warm") ? (["software"] as const) : []),
		...(isWanted("virgl") ? (["virgl"] as const) : []),
		...(isWanted("warm-true") || isWanted("memory") ? (["none"] as const) : []),
	];
	console.error(`making snapshots: ${wanted.join(", ") || "none"}`);
	await prewarm(sandbox, screen, wanted);
	const bare = await bareMachine(sandbox, screen);
	const peerRounds = Math.min(rounds, PEER_ROUNDS);
	for (let i = 1; i <= rounds; i++) {
		console.error(`round ${i} of ${rounds}, load ${os.loadavg()[0]?.toFixed(1)}`);
		await round({ sandbox, screen, images, bare });
		if (peers && i <= peerRounds) await takePeers(peers);
	}
	await takeMemory(sandbox);
}

const started = new Date();
await main();

const promised = [...PROMISES, ...(values.peers ? PEER_PROMISES : []), ...MEMORY_PROMISES];
const verdicts = judge(promised, figures);
const cpu = os.cpus()[0]?.model ?? "unknown";
const minutes = (Date.now() - started.getTime()) / 60_000;
const text = [
	`${rounds} rounds in ${minutes.toFixed(0)} minutes on ${os.cpus().length} × ${cpu}, TCG. Seconds:`,
	"",
	...rowTable(ROWS, figures),
	"",
	"MiB:",
	"",
	...rowTable(MEMORY_ROWS, figures, 0),
	"",
	...verdictTable(verdicts),
];
console.log(text.join("\n"));

const assets = JSON.parse(readFileSync(join(REPO, "dist/assets/x64/manifest.json"), "utf8")) as object;
const { assets: _files, packages: _packages, ...versions } = assets as Record<string, unknown>;
mkdirSync(dirname(values.json), { recursive: true });
const record = {
	startedAt: started.toISOString(),
	commit: commitOf(REPO),
	machine: { cpu, cores: os.cpus().length, memoryMiB: Math.round(os.totalmem() / 2 ** 20), kernel: os.release() },
	versions,
	rounds,
	figures,
	summaries: Object.fromEntries(Object.entries(figures).map(([row, each]) => [row, summarize(each)])),
	verdicts,
	failures,
};
writeFileSync(values.json, `${JSON.stringify(record, null, "\t")}\n`);

for (const failure of failures) console.error(`failed: ${failure}`);
for (const { what, value, max, kept } of verdicts) {
	if (kept === false) console.error(`broken: ${what}: ${value?.toFixed(3)}, promised ≤ ${max}`);
}
// What was left out on purpose breaks nothing.
const isMissing = only === undefined && verdicts.some(({ kept }) => kept === null);
process.exitCode = failures.length > 0 || isMissing || verdicts.some(({ kept }) => kept === false) ? 1 : 0;
