/** Plan -> QEMU's arguments (without the command itself). The order is fixed, so that a golden test can hold it. */
import { bootArgv } from "./devices/boot.ts";
import { channelsArgv } from "./devices/channels.ts";
import { controlCardArgv } from "./devices/control-card.ts";
import { disksArgv } from "./devices/disks.ts";
import { gpuArgv } from "./devices/gpu.ts";
import { inputArgv } from "./devices/input.ts";
import { machineArgv, processArgv } from "./devices/machine.ts";
import { networkArgv } from "./devices/network.ts";
import { portsArgv } from "./devices/ports.ts";
import { systemArgv } from "./devices/system.ts";
import { vsockArgv } from "./devices/vsock.ts";
import type { MachinePlan } from "./machine-plan.ts";

export function qemuArgv(plan: MachinePlan): string[] {
	return [
		...processArgv(plan),
		...machineArgv(plan),
		...portsArgv(plan),
		...channelsArgv(plan),
		...disksArgv(plan),
		...gpuArgv(plan),
		...inputArgv(),
		...vsockArgv(plan),
		...controlCardArgv(plan),
		...networkArgv(plan),
		...systemArgv(plan),
		...bootArgv(plan),
	];
}

/** An argument as a POSIX shell needs it written. */
export function shellQuote(argument: string): string {
	return /^[A-Za-z0-9_@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
