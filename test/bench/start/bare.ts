/**
 * The rows that our starts are compared with on the same QEMU, kernel, processor, memory and devices: the floor and stock. The command
 * line is made of the product's own parts, with the plan that `run --dry-run` shows.
 */

import { qemuArgv } from "../../../src/plan/argv.ts";
import { gpuArgv } from "../../../src/plan/devices/gpu.ts";
import { inputArgv } from "../../../src/plan/devices/input.ts";
import { keyval } from "../../../src/plan/devices/keyval.ts";
import { machineArgv, processArgv } from "../../../src/plan/devices/machine.ts";
import { systemArgv } from "../../../src/plan/devices/system.ts";
import type { MachinePlan } from "../../../src/plan/machine-plan.ts";
import { BINARY, type Sandbox, tool } from "../../vm/harness.ts";
import type { StartImages } from "./images.ts";
import { Timed } from "./launcher.ts";
import { promptIsLive } from "./ours.ts";
import type { Screen } from "./screen.ts";

/** What `run --dry-run --json` says. */
interface DryRun {
	readonly argv: readonly string[];
	readonly env: Readonly<Record<string, string>>;
	readonly plan: MachinePlan;
}

export interface BareMachine {
	/** QEMU itself, its loader first. */
	readonly command: readonly string[];
	readonly env: Readonly<Record<string, string>>;
	readonly plan: MachinePlan;
}

/** As a window with software graphics is started here; the assets must have been extracted. */
export async function bareMachine(sandbox: Sandbox, screen: Screen): Promise<BareMachine> {
	const flags = ["--accel", "tcg", "--gpu", "software", "--display", "sdl"];
	const env = { ...sandbox.env, ...screen.env };
	const { code, stdout, stderr } = await tool([BINARY, "run", "--dry-run", "--json", ...flags], { env });
	if (code !== 0) throw new Error(stderr);
	const { argv, env: qemuEnv, plan } = JSON.parse(stdout) as DryRun;
	const command = argv.slice(0, argv.length - qemuArgv(plan).length);
	return { command, env: { ...env, ...qemuEnv }, plan };
}

function bareArgv({ command, plan }: BareMachine, initramfs: string, kernelOptions: string): string[] {
	const boot = ["-kernel", plan.images.kernel, "-initrd", initramfs, "-append", kernelOptions];
	return [...command, ...processArgv(plan), ...machineArgv(plan), ...systemArgv(plan), ...boot];
}

/** Kernel and a busybox that powers off: from the start of QEMU to its end. */
export async function floor(machine: BareMachine, images: StartImages): Promise<number> {
	const argv = bareArgv(machine, images.floor, "console=ttyS0 quiet loglevel=3 panic=-1");
	// With a serial console as ours, since the kernel waits for each of its characters.
	await using qemu = new Timed([...argv, "-serial", "stdio", "-vga", "none", "-display", "none"], machine);
	return await qemu.finish();
}

export interface StockMoments {
	readonly drawn: number;
	readonly live: number;
}

/** Debian with its default systemd, cage and the same terminal, in the same window. */
export async function stock(machine: BareMachine, images: StartImages, screen: Screen): Promise<StockMoments> {
	const disk = [
		"-blockdev",
		keyval("", {
			driver: "raw",
			"node-name": "root",
			"read-only": true,
			"file.driver": "file",
			"file.filename": images.stockRoot,
		}),
	];
	const argv = [
		...bareArgv(machine, images.stockInitramfs, "quiet loglevel=3 panic=-1"),
		...disk,
		...["-device", "virtio-blk-pci,drive=root"],
		...gpuArgv(machine.plan),
		...inputArgv(),
	];
	const moments = await (async () => {
		await using qemu = new Timed(argv, machine);
		return await promptIsLive(screen, qemu);
	})();
	await screen.cleared(AbortSignal.timeout(10_000));
	return moments;
}
