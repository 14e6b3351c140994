/** Small devices that every machine has: entropy, memory that goes back to the host, word of a panic. */
import type { MachinePlan } from "../machine-plan.ts";

export function systemArgv(plan: MachinePlan): string[] {
	return [
		"-device",
		"virtio-rng-pci",
		"-device",
		"virtio-balloon-pci,free-page-reporting=on",
		...(plan.arch === "x64" ? ["-device", "pvpanic-pci"] : []),
		"-rtc",
		"base=utc,clock=host",
	];
}
