/**
 * Cold starts of one or more builds, in turns: seconds and QEMU's processor seconds (which a busy host falsifies less), both since QEMU's
 * start, until the agent answers and until the terminal's first prompt.
 *
 *   bun test/bench/boot-cpu.ts ROUNDS BINARY…
 */
import { readFileSync } from "node:fs";
import { processesNaming, Sandbox } from "../vm/harness.ts";

const FLAGS = ["--accel", "tcg", "--display", "none", "--gpu", "software", "--vcpus", "2", "--memory", "2G"];
/** In the order of a start, as the launcher says them. */
const STEPS = ["system up", "terminal up"] as const;
/** USER_HZ, which /proc counts in. */
const TICKS_PER_SECOND = 100;
const LOOK_MS = 20;

interface Mark {
	readonly seconds: number;
	readonly cpuSeconds: number;
}

/** Fields of proc_pid_stat(5) from the state on: the name before them may hold spaces. */
function statOf(pid: number): number[] {
	const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
	return stat
		.slice(stat.lastIndexOf(")") + 2)
		.split(" ")
		.map(Number);
}

/** User and system time of all its threads, and its age. */
function markOf(pid: number): Mark {
	const fields = statOf(pid);
	const up = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
	return {
		seconds: up - (fields[19] ?? 0) / TICKS_PER_SECOND,
		cpuSeconds: ((fields[11] ?? 0) + (fields[12] ?? 0)) / TICKS_PER_SECOND,
	};
}

function findQemu(root: string): number | null {
	for (const line of processesNaming(root)) {
		const pid = Number(line.split(" ")[0]);
		if (readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("guest=VirtualGhost")) return pid;
	}
	return null;
}

/** One cold start in an empty home, which unpacks the images before QEMU starts. */
async function coldStart(binary: string): Promise<Mark[]> {
	using sandbox = new Sandbox();
	const started = sandbox.start(["run", "-v", "--cold", ...FLAGS], { binary });
	await started.says("booting");
	let qemu = findQemu(sandbox.root);
	for (; qemu === null; qemu = findQemu(sandbox.root)) await Bun.sleep(LOOK_MS);
	const marks: Mark[] = [];
	for (const step of STEPS) {
		await started.says(step);
		marks.push(markOf(qemu));
	}
	started.kill("SIGINT");
	await started.outcome;
	return marks;
}

function median(values: readonly number[]): number {
	const sorted = [...values].sort((a, b) => a - b);
	return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

const [rounds = "3", ...binaries] = process.argv.slice(2);
if (binaries.length === 0) throw new Error("usage: bun test/bench/boot-cpu.ts ROUNDS BINARY…");
const all = new Map<string, Mark[][]>(binaries.map((binary) => [binary, []]));
for (let round = 0; round < Number(rounds); round++) {
	for (const binary of binaries) all.get(binary)?.push(await coldStart(binary));
}
for (const [binary, starts] of all) {
	for (const [i, step] of STEPS.entries()) {
		const marks = starts.flatMap((start) => start[i] ?? []);
		const show = (values: number[]) =>
			`${median(values).toFixed(1)} (${Math.min(...values).toFixed(1)}-${Math.max(...values).toFixed(1)})`;
		const [seconds, cpu] = [marks.map((mark) => mark.seconds), marks.map((mark) => mark.cpuSeconds)];
		process.stdout.write(`${binary}  ${step}: ${show(seconds)} s, processor ${show(cpu)} s\n`);
	}
}
