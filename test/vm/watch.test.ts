/** Guests that will not come back: noticed in time, told with their last words, ended; and one that only looks like it. */
import { expect, test } from "bun:test";
import { BINARY, BOOT_TIMEOUT_MS, Sandbox, type Started, tool } from "./harness.ts";
import { findProgram } from "./hostile/processes.ts";

const FLAGS = ["--accel", "tcg", "--gpu", "none", "--display", "none", "--memory", "1G", "--vcpus", "2"] as const;

/** A machine in the foreground, as a user's is; `root` runs a script in it without waiting for its end. */
async function start(sandbox: Sandbox, ...flags: string[]) {
	const started = sandbox.start(["run", "-v", ...FLAGS, ...flags]);
	await started.says("system up");
	const root = (script: string) =>
		tool(["timeout", "-k", "1", "20", BINARY, "exec", "--root", "--no-stdin", "--", "sh", "-c", script], {
			env: { ...sandbox.env, PATH: "/usr/bin:/bin" },
		});
	return { started, root };
}

async function secondsToEnd(started: Started, from: number): Promise<number> {
	await started.outcome;
	return (performance.now() - from) / 1000;
}

/** Pid of this sandbox's QEMU, not of what locks it in. */
function qemu(sandbox: Sandbox): number {
	const pids = sandbox.processes().map((line) => Number(line.split(" ")[0]));
	const [found] = findProgram(pids, "qemu-system-x86_64");
	if (!found) throw new Error("there is no QEMU");
	return found.pid;
}

test(
	"a kernel that panics: within 2 s the launcher has ended with its last lines",
	async () => {
		using sandbox = new Sandbox();
		const { started, root } = await start(sandbox);
		void root("echo c > /proc/sysrq-trigger");
		while (!sandbox.logs("serial.log").includes("Kernel panic - not syncing")) await Bun.sleep(20);
		expect(await secondsToEnd(started, performance.now())).toBeLessThan(2);
		const { code, stderr } = await started.outcome;
		expect([code, stderr]).toEqual([1, expect.stringContaining("The guest's kernel panicked")]);
		expect(stderr).toContain("  why: sysrq triggered crash\n  last lines:\n  | [");
		expect([await sandbox.lingering(2), sandbox.instances()]).toEqual([[], []]);
	},
	BOOT_TIMEOUT_MS,
);

/** Above everything else that the kernel schedules, on every processor, with the reserve for the others taken away. */
const SPIN = `exec >/dev/null 2>&1
echo -1 > /proc/sys/kernel/sched_rt_runtime_us
mount -t debugfs debugfs /mnt && for each in /mnt/sched/fair_server/cpu*/runtime; do echo 0 > $each; done
echo "I am about to hang" > /dev/ttyS0
for processor in $(seq 0 $(($(nproc) - 1))); do taskset -c $processor chrt -f 99 sh -c 'while :; do :; done' & done`;

test(
	"a guest in which nothing runs any more: within 30 s",
	async () => {
		using sandbox = new Sandbox();
		const { started, root } = await start(sandbox);
		void root(SPIN);
		while (!sandbox.logs("serial.log").includes("I am about to hang")) await Bun.sleep(20);
		// A heartbeat may still have gone out while the spinning began; on a quiet machine none has come yet.
		expect(await secondsToEnd(started, performance.now())).toBeLessThan(32);
		const { code, stderr } = await started.outcome;
		expect([code, stderr]).toEqual([1, expect.stringContaining("The guest does not answer any more and was ended")]);
		expect(stderr).toContain("| I am about to hang");
		expect([await sandbox.lingering(2), sandbox.instances()]).toEqual([[], []]);
	},
	BOOT_TIMEOUT_MS,
);

test(
	"an agent that root has stopped is no reason to end its machine; a QEMU that stands still is",
	async () => {
		using sandbox = new Sandbox();
		const { started, root } = await start(sandbox, "--hung-timeout", "15");
		void root("systemctl stop virtualghost-agent");
		while (!sandbox.logs("launcher.log").includes("its kernel still answers")) await Bun.sleep(100);
		// Asked a second time.
		await Bun.sleep(16_000);
		expect(started.stderr).not.toContain("does not answer");
		process.kill(qemu(sandbox), "SIGSTOP");
		expect(await secondsToEnd(started, performance.now())).toBeLessThan(17);
		const { code, stderr } = await started.outcome;
		expect([code, stderr]).toEqual([1, expect.stringContaining("The guest does not answer any more and was ended")]);
		expect([await sandbox.lingering(2), sandbox.instances()]).toEqual([[], []]);
	},
	BOOT_TIMEOUT_MS,
);
