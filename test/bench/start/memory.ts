/** What processes of a running machine take of the host's memory, by /proc. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { findInstance } from "../../../src/vm/registry.ts";
import { BINARY, type Sandbox, tool } from "../../vm/harness.ts";
import { findProgram } from "../../vm/hostile/processes.ts";

const KIB_A_MIB = 1024;

/** In MiB. */
export interface ProcessMemory {
	/** VmRSS: what is resident, pages of mapped files included. */
	readonly resident: number;
	/** RssAnon: what is the process's own. */
	readonly own: number;
	/** VmHWM: the most that was ever resident. */
	readonly peak: number;
}

export function processMemory(pid: number): ProcessMemory {
	const status = readFileSync(`/proc/${pid}/status`, "utf8");
	const field = (name: string) => {
		const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
		if (found === undefined) throw new Error(`/proc/${pid}/status has no ${name}`);
		return Number(found) / KIB_A_MIB;
	};
	return { resident: field("VmRSS"), own: field("RssAnon"), peak: field("VmHWM") };
}

const SETTLE_MS = 15_000;
const FREED_MS_MAX = 40_000;
const MIB_A_GIB = 1024;
/** Near enough to what it was: reported free memory comes in blocks of 2 MiB, some seconds late. */
const NEAR_MIB = 100;

export interface GuestMemory {
	readonly launcher: ProcessMemory;
	/** QEMU's resident memory in MiB: idle, while the guest holds 1 GiB more, and when it has given that back. */
	readonly idle: number;
	readonly held: number;
	readonly freed: number;
}

/**
 * A machine without a window, left alone, then with 1 GiB of files in the guest's memory, then without them.
 *
 * @throws Error if the machine does not start, or if QEMU's memory does not grow, since then nothing was measured
 */
export async function guestMemory(sandbox: Sandbox, kind: "cold" | "warm"): Promise<GuestMemory> {
	const name = `memory-${kind}`;
	const vg = async (...args: readonly string[]) => {
		const { code, stderr } = await tool([BINARY, ...args], { env: sandbox.env });
		if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${stderr}`);
	};
	const cold = kind === "cold" ? ["--cold"] : [];
	await vg("run", "--detach", ...cold, "--accel", "tcg", "--gpu", "none", "--name", name);
	try {
		const { record } = findInstance(join(sandbox.runtime, "virtualghost"), name);
		const pids = sandbox.processes().map((line) => Number(line.split(" ")[0]));
		const qemu = findProgram(pids, "qemu-system-x86_64")[0]?.pid;
		if (qemu === undefined) throw new Error("the machine has no QEMU");
		const resident = () => processMemory(qemu).resident;
		await Bun.sleep(SETTLE_MS);
		const [launcher, idle] = [processMemory(record.launcher.pid), resident()];
		await vg("exec", name, "--", "sh", "-c", `head -c ${MIB_A_GIB}M /dev/zero >/dev/shm/held`);
		const held = resident();
		if (held - idle < MIB_A_GIB / 2) throw new Error(`QEMU grew from ${idle} to ${held} MiB only`);
		await vg("exec", name, "--", "rm", "/dev/shm/held");
		const end = performance.now() + FREED_MS_MAX;
		while (resident() > idle + NEAR_MIB && performance.now() < end) await Bun.sleep(500);
		return { launcher, idle, held, freed: resident() };
	} finally {
		await vg("stop", name, "--force");
	}
}
