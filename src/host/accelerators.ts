/** Which accelerators this host offers to this user. That KVM opens does not mean that it can run a guest: see `vm/boot.ts`. */
import { accessSync, constants, existsSync } from "node:fs";
import { reason } from "../errors.ts";
import type { AcceleratorFact, Platform } from "../plan/facts.ts";

const TCG: AcceleratorFact = { name: "tcg", usable: true, why: "software emulation works everywhere" };

export function findAccelerators(platform: Platform): AcceleratorFact[] {
	if (platform === "linux") return [findKvm(), TCG];
	if (platform === "darwin") return [findHvf(), TCG];
	return [findWhpx(), TCG];
}

function findKvm(): AcceleratorFact {
	const node = "/dev/kvm";
	if (!existsSync(node)) {
		return {
			name: "kvm",
			usable: false,
			why: `${node} does not exist: virtualization is off in the firmware, or the module is not loaded`,
		};
	}
	try {
		accessSync(node, constants.R_OK | constants.W_OK);
		return { name: "kvm", usable: true, why: `${node} can be opened` };
	} catch (error) {
		return {
			name: "kvm",
			usable: false,
			why: `${reason(error)}; \`sudo usermod -aG kvm $USER\` and a new login give access`,
		};
	}
}

function findHvf(): AcceleratorFact {
	const sysctl = Bun.spawnSync(["sysctl", "-n", "kern.hv_support"], { stdout: "pipe", stderr: "ignore" });
	const usable = sysctl.stdout.toString().trim() === "1";
	return { name: "hvf", usable, why: usable ? "kern.hv_support is 1" : "kern.hv_support is not 1" };
}

function findWhpx(): AcceleratorFact {
	const library = `${process.env.SystemRoot ?? "C:\\Windows"}\\System32\\WinHvPlatform.dll`;
	const usable = existsSync(library);
	return {
		name: "whpx",
		usable,
		why: usable
			? "WinHvPlatform.dll is there"
			: `no ${library}: turn on the Windows feature "Windows Hypervisor Platform"`,
	};
}
