/** The machine as decided, before it is a command line. Plain data: the same value is shown by `--dry-run --json`. */

import type { Accelerator, Arch, ImagePaths, Platform } from "./facts.ts";
import type { Network } from "./network.ts";
import type { SnapshotUse } from "./snapshot.ts";
import type { WindowPlan } from "./window.ts";

/** `vfio`: a card of the host's, handed to the guest. */
export type Gpu = "vfio" | "virgl" | "software" | "none";
export type Display = "gtk" | "sdl" | "cocoa" | "none";

/** How QEMU reaches the launcher: an inherited socket, or (Windows) a connection to a listener of the launcher's. */
export type Channel = { readonly kind: "fd"; readonly fd: number } | { readonly kind: "tcp"; readonly port: number };

/** How the launcher reaches the guest's agent. */
export type Control =
	| { readonly kind: "vhost-user-vsock"; readonly socket: string; readonly vsockPath: string }
	| { readonly kind: "vhost-vsock"; readonly cid: number }
	/** The control card, behind a Unix socket in the instance folder or a port on 127.0.0.1. */
	| { readonly kind: "unix"; readonly path: string }
	| { readonly kind: "tcp"; readonly port: number };

/** Whether the guest has a control card in place of vsock. */
export function hasControlCard(plan: { readonly control: Control }): boolean {
	return plan.control.kind === "unix" || plan.control.kind === "tcp";
}

/** A disk whose content outlives the machine. */
export interface KeptDisk {
	/** `home`: the user's; `work`: what a work copy has changed. */
	readonly kind: "home" | "work";
	/** A qcow2 file, locked by the launcher. */
	readonly path: string;
}

export interface MachinePlan {
	readonly platform: Platform;
	readonly arch: Arch;
	readonly qemuVersion: string;
	readonly dataFolder: string | null;
	readonly accelerator: Accelerator;
	/** Value of `-cpu`. */
	readonly cpu: string;
	readonly vcpus: number;
	readonly memoryMiB: number;
	readonly gpu: Gpu;
	/** Null for a cold start. */
	readonly snapshot: SnapshotUse | null;
	/** Addresses of the host's PCI functions that the guest gets, the card first; empty without vfio. */
	readonly passthrough: readonly string[];
	/** The guest may draw in software where its GPU turns out not to be good enough. */
	readonly gpuFallback: boolean;
	readonly display: Display;
	readonly window: WindowPlan;
	readonly control: Control;
	readonly network: Network;
	/** Where QEMU finds the socket of a filtered network. */
	readonly networkFd: number;
	readonly channels: { readonly qmp: Channel; readonly serial: Channel; readonly events: Channel };
	readonly images: ImagePaths;
	readonly disks: readonly KeptDisk[];
	/** The session waits until the launcher has put its files in place. False in a machine without one. */
	readonly sessionLater: boolean;
	/** Files that hold one SMBIOS type 11 string each. */
	readonly credentialFiles: readonly string[];
	/** Why each open choice fell as it did, in the order of the decisions; shown by `-v`. */
	readonly reasons: readonly string[];
}
