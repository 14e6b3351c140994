/** Small devices that every machine has: entropy, memory that goes back to the host, word of a panic. */
import type { MachinePlan } from "../machine-plan.ts";

export function systemArgv(plan: MachinePlan): string[] {
	return [
		"-device",
		"virtio-rng-pci",
		"-device",
		"virtio-balloon-pci,free-page-reporting=on",
		...(plan.arch === "x64" ? ["-device", "pvpanic-pci"] : []),
		// A new one after each restore tells the guest's kernel to draw new random numbers.
		...(plan.snapshot ? ["-device", "vmgenid,guid=auto"] : []),
		...(plan.snapshot?.role === "restore" ? ["-incoming", "defer"] : []),
		"-rtc",
		"base=utc,clock=host",
	];
}
