/** Board, processors, memory, and what QEMU itself may do. */
import { hasExitWithParent } from "../decide.ts";
import type { MachinePlan } from "../machine-plan.ts";
import { keyval } from "./keyval.ts";

export function machineArgv(plan: MachinePlan): string[] {
	const backend = memoryBackend(plan);
	const board = plan.arch === "arm64" ? "virt" : "q35";
	const options = {
		"memory-backend": backend ? "mem" : undefined,
		// Guest memory has no place in a core dump of the host's.
		"dump-guest-core": false,
		// VMware's backdoor port: an attack surface that nothing here uses. x86 only.
		vmport: plan.arch === "x64" ? false : undefined,
	};
	return [
		"-accel",
		plan.accelerator === "tcg" ? keyval("tcg", { thread: "multi", "tb-size": 512 }) : plan.accelerator,
		"-machine",
		keyval(board, options),
		"-cpu",
		plan.cpu,
		"-smp",
		String(plan.vcpus),
		"-m",
		`${plan.memoryMiB}M`,
		...(backend ? ["-object", backend] : []),
	];
}

/** Null where QEMU's own is good enough. */
function memoryBackend({ control, memoryMiB, snapshot }: MachinePlan): string | null {
	const size = `${memoryMiB}M`;
	switch (snapshot?.role) {
		case "make":
			return keyval("memory-backend-file", { id: "mem", size, "mem-path": snapshot.ramFile, share: true });
		case "restore":
			// The file is opened for reading only: no machine can change it for the others. What a guest writes is its own.
			return keyval("memory-backend-file", {
				id: "mem",
				size,
				"mem-path": snapshot.ramFile,
				share: false,
				readonly: true,
				rom: false,
			});
	}
	// vhost-user needs memory that another process can map.
	if (control.kind !== "vhost-user-vsock") return null;
	return keyval("memory-backend-memfd", { id: "mem", size, share: true });
}

export function processArgv(plan: MachinePlan): string[] {
	const name = keyval("", { guest: plan.window.title });
	const argv = ["-name", name, "-nodefaults", "-no-user-config", "-no-reboot", "-monitor", "none"];
	if (plan.dataFolder) argv.push("-L", plan.dataFolder);
	if (plan.platform === "linux") {
		argv.push(
			"-sandbox",
			keyval("on", { obsolete: "deny", elevateprivileges: "deny", spawn: "deny", resourcecontrol: "deny" }),
		);
		if (hasExitWithParent(plan.qemuVersion)) argv.push("-run-with", "exit-with-parent=on");
	}
	return argv;
}
