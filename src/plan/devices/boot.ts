/** Kernel, initramfs, command line, and the credentials of this run. */
import { CONTROL_CARD_OPTION, DRIVER_PACK_OPTION, SESSION_OFF_OPTION } from "../../wire/names.ts";
import { hasControlCard, type MachinePlan } from "../machine-plan.ts";
import { keyval } from "./keyval.ts";

/** The kernel's command line. `panic=-1` with `-no-reboot` turns a panic into an exit of QEMU. */
export function kernelCommandLine(plan: MachinePlan): string {
	const words = [
		plan.arch === "arm64" ? "console=ttyAMA0" : "console=ttyS0",
		"quiet",
		"loglevel=3",
		"panic=-1",
		"systemd.show_status=0",
		`virtualghost.gpu=${plan.gpu}`,
	];
	if (hasControlCard(plan)) words.push(CONTROL_CARD_OPTION);
	if (plan.images.drivers !== null) words.push(DRIVER_PACK_OPTION);
	if (plan.gpu === "none") words.push(SESSION_OFF_OPTION);
	return words.join(" ");
}

export function bootArgv(plan: MachinePlan): string[] {
	const argv = ["-kernel", plan.images.kernel, "-initrd", plan.images.initramfs, "-append", kernelCommandLine(plan)];
	// QEMU reads each file into one string: a secret never stands on the command line.
	for (const path of plan.credentialFiles) argv.push("-smbios", keyval("type=11", { path }));
	return argv;
}
