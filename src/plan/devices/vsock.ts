/** The way to the guest's agent where the host has vsock; else control-card.ts is. */
import type { MachinePlan } from "../machine-plan.ts";
import { keyval } from "./keyval.ts";

export function vsockArgv(plan: MachinePlan): string[] {
	switch (plan.control.kind) {
		case "vhost-user-vsock":
			return [
				"-chardev",
				keyval("socket", { id: "vsock", path: plan.control.socket }),
				"-device",
				"vhost-user-vsock-pci,chardev=vsock",
			];
		case "vhost-vsock":
			return ["-device", keyval("vhost-vsock-pci", { "guest-cid": plan.control.cid })];
		case "unix":
		case "tcp":
			return [];
	}
}
