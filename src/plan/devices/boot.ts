/** Kernel, initramfs, command line, and the credentials of this run. */
import {
	CONTROL_CARD_OPTION,
	DRIVER_PACK_OPTION,
	GPU_FALLBACK_OPTION,
	GPU_OPTION,
	IDENTITY_OPTION,
	KEYMAP_OPTION,
	LOOK_OPTION,
	NETWORK_OPTION,
	SCALE_OPTION,
	SESSION_LATER_OPTION,
	SESSION_OFF_OPTION,
} from "../../wire/names.ts";
import { hasControlCard, type MachinePlan } from "../machine-plan.ts";
import { networkWord } from "../network.ts";
import { keyval } from "./keyval.ts";

/** The kernel's command line. `panic=-1` with `-no-reboot` turns a panic into an exit of QEMU. */
export function kernelCommandLine(plan: MachinePlan): string {
	const words = [
		plan.arch === "arm64" ? "console=ttyAMA0" : "console=ttyS0",
		"quiet",
		"loglevel=3",
		"panic=-1",
		"systemd.show_status=0",
		// The agent reads its own, and nothing else in the guest is to get any.
		"systemd.import_credentials=no",
		// The kernel's ciphers are Debian's, tested there.
		"cryptomgr.notests",
		// No text console is drawn on the screen before the session does.
		...(plan.gpu === "vfio" ? [] : ["drm_kms_helper.fbdev_emulation=0"]),
		`${GPU_OPTION}=${plan.gpu}`,
	];
	if (plan.gpu !== "none" && plan.window.keymap !== null) words.push(`${KEYMAP_OPTION}=${plan.window.keymap}`);
	// As with the GPU below: the window that a restored machine gets is not that of the machine that was saved.
	if (!plan.snapshot && plan.window.scale !== 1) words.push(`${SCALE_OPTION}=${plan.window.scale}`);
	if (plan.snapshot) words.push(...snapshotWords(plan));
	else if (plan.sessionLater) words.push(SESSION_LATER_OPTION);
	// A restored machine is told, since others from the same snapshot may differ.
	if (plan.gpuFallback && !plan.snapshot) words.push(GPU_FALLBACK_OPTION);
	if (hasControlCard(plan)) words.push(CONTROL_CARD_OPTION);
	const network = networkWord(plan);
	if (network !== null) words.push(`${NETWORK_OPTION}=${network}`);
	if (plan.images.drivers !== null) words.push(DRIVER_PACK_OPTION);
	if (plan.images.look !== null) words.push(LOOK_OPTION);
	if (plan.gpu === "none") words.push(SESSION_OFF_OPTION);
	return words.join(" ");
}

function snapshotWords({ gpu, sessionLater }: MachinePlan): string[] {
	if (gpu === "virgl") return [IDENTITY_OPTION, SESSION_LATER_OPTION, "modprobe.blacklist=virtio_gpu"];
	return sessionLater ? [IDENTITY_OPTION, SESSION_LATER_OPTION] : [IDENTITY_OPTION];
}

export function bootArgv(plan: MachinePlan): string[] {
	const argv = ["-kernel", plan.images.kernel, "-initrd", plan.images.initramfs, "-append", kernelCommandLine(plan)];
	if (plan.snapshot) return argv;
	// QEMU reads each file into one string: a secret never stands on the command line.
	for (const path of plan.credentialFiles) argv.push("-smbios", keyval("type=11", { path }));
	return argv;
}
