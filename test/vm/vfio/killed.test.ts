/**
 * kill -9 of the launcher, its root helper and QEMU at every step of bind, run and restore: after the next start every device has its
 * driver again. Not one exception is allowed.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { carryPayloads, expectUntouched, NESTED_TIMEOUT_MS, runLine } from "./cards.ts";
import { L1 } from "./l1.ts";
import { L1_DEVICE } from "./machine-l1.ts";

type Target = "launcher" | "helper" | "qemu";

/** Steps of binding, in their order. */
const BIND = [
	"helper",
	"journal",
	"audio-reserved",
	"audio-free",
	"audio-bound",
	"gpu-reserved",
	"gpu-free",
	"gpu-bound",
] as const;
/** Steps of giving back; which function comes first does not matter, each step is waited for by itself. */
const RESTORE = ["gpu-free", "gpu-back", "audio-free", "audio-back", "no-journal"] as const;

const HALVES: readonly (readonly Target[])[] = [["launcher"], ["helper"], ["launcher", "helper"]];
const ALL: readonly (readonly Target[])[] = [...HALVES, ["qemu"], ["qemu", "helper"], ["launcher", "helper", "qemu"]];

const { gpu } = L1_DEVICE;
const APPLY = `$VG gpu apply ${gpu}`;
const RESTORE_VERB = `$VG gpu restore ${gpu}`;
const RUN = runLine(gpu, "short");

interface Point {
	readonly command: string;
	/** In L1, before it. */
	readonly before?: string;
	readonly moments: readonly string[];
	readonly targets: readonly Target[];
}

/** Every step with every choice of processes. */
function points(
	phase: { command: string; before?: string; first?: readonly string[] },
	steps: readonly string[],
	targets: readonly (readonly Target[])[],
): Point[] {
	const { first = [], ...rest } = phase;
	return steps.flatMap((step) => targets.map((each) => ({ ...rest, moments: [...first, step], targets: each })));
}

const PHASES: Record<string, readonly Point[]> = {
	"gpu apply": points({ command: APPLY }, BIND, HALVES),
	"run, binding": points({ command: RUN }, ["helper", "audio-free", "gpu-reserved", "gpu-bound"], HALVES),
	"run, running": points({ command: RUN, first: ["gpu-bound"] }, ["qemu", "alive", "ready"], ALL),
	"run, giving back": points({ command: RUN, first: ["gpu-bound", "off"] }, RESTORE, HALVES),
	"gpu restore": points({ command: RESTORE_VERB, before: APPLY }, ["helper", ...RESTORE], HALVES),
};

/** What somebody does next, by turns: all of them put things right. */
const NEXT = [
	`${RESTORE_VERB}`,
	"$VG gpu list",
	"$VG run --gpu none --display none --accel tcg --memory 512M --kernel /share/short.elf",
];

let l1: L1;
let count = 0;
let killed = 0;
let backBefore = 0;

beforeAll(async () => {
	l1 = await L1.start();
	await carryPayloads(l1);
	copyFileSync(join(import.meta.dir, "kill-at.sh"), join(l1.share, "kill-at.sh"));
}, NESTED_TIMEOUT_MS);

afterAll(async () => {
	console.log(`${count} points, ${killed} of them hit; at ${backBefore} all was back before the next start`);
	await l1?.[Symbol.asyncDispose]();
});

for (const [phase, list] of Object.entries(PHASES)) {
	describe(phase, () => {
		for (const point of list) {
			const name = `${point.moments.at(-1)}: ${point.targets.join(" and ")}`;
			test(name, () => killAt(point), NESTED_TIMEOUT_MS);
		}
	});
}

test("moments were hit, not missed", () => {
	expect(killed).toBeGreaterThanOrEqual(40);
});

async function killAt({ command, before, moments, targets }: Point): Promise<void> {
	if (before !== undefined) await l1.ok(before);
	const script = `rm -rf /tmp/state-*; export XDG_STATE_HOME=/tmp/state-0
sh /share/kill-at.sh '${targets.join(" ")}' '${moments.join(" ")}' ${command}`;
	const said = await l1.ok(script);
	expect(said).not.toContain("still there");
	if (/^killed/m.test(said)) killed++;
	if (!said.includes("journal left")) backBefore++;
	// `gpu list` gives back what was left over, not what was bound to stay.
	const kept = command === APPLY || command === RESTORE_VERB;
	const next = kept ? RESTORE_VERB : (NEXT[count % NEXT.length] ?? RESTORE_VERB);
	count++;
	const after = await l1.run(next);
	expect({ said, after }).toMatchObject({ after: { code: 0 } });
	await expectUntouched(l1);
}
