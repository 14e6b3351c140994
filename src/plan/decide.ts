/** Config + facts -> plan: every choice that "auto" leaves open is made here, each with its reason. Pure. */
import type { Config } from "../config/schema.ts";
import { EXIT, Fault } from "../errors.ts";
import { FIRST_GUEST_CID } from "../wire/vsock.ts";
import type { Accelerator, HostFacts, ImagePaths, QemuFacts } from "./facts.ts";
import { isAtLeast } from "./facts.ts";
import { decideGpu, isPassthrough } from "./gpu.ts";
import type { Channel, Control, Display, Gpu, KeptDisk, MachinePlan } from "./machine-plan.ts";
import { decideNetwork, networkLabel } from "./network.ts";
import type { SnapshotUse } from "./snapshot.ts";
import { decideWindow, windowTitle } from "./window.ts";

/** What only this run knows. */
export interface RunFacts {
	/** A test or a command without a window: nothing is shown whatever the host has. */
	readonly headless: boolean;
	/** An accelerator and CPU to use in place of the first choice, after that one has failed. */
	readonly fallback?: { readonly accelerator?: Accelerator; readonly cpu?: string; readonly gpu?: Gpu } | undefined;
	readonly snapshot?: SnapshotUse;
	/** What `vfio/` has taken from the host for the guest. */
	readonly passthrough?: readonly string[];
	/** Of the instance, for the window's title. */
	readonly name?: string | undefined;
	readonly disks?: readonly KeptDisk[];
	/** Disks or folders are set up in the guest before the session starts. */
	readonly hasFiles?: boolean;
	readonly instanceFolder: string;
	readonly channels: MachinePlan["channels"];
	readonly credentialFiles: readonly string[];
	/** A port on 127.0.0.1 that was free a moment ago, for QEMU to listen on; without it QEMU takes any. */
	readonly controlPort?: number;
	/** How many vsock context ids were somebody else's already; another number gives another id. */
	readonly contextIdsTaken?: number;
}

/** Processors of a guest unless told otherwise: enough for a build, few enough to leave the host usable. */
const VCPUS_AUTO_MAX = 4;
const MEMORY_AUTO_MIN_MIB = 2048;
const MEMORY_AUTO_MAX_MIB = 4096;

/** @throws Fault where a wish of the user's cannot be had on this host. */
export function decide(
	config: Config,
	host: HostFacts,
	qemu: QemuFacts,
	images: ImagePaths,
	run: RunFacts,
): MachinePlan {
	const reasons: string[] = [];
	const accelerator = run.fallback?.accelerator ?? decideAccelerator(config, host, reasons);
	const display = decideDisplay(config, host, run, reasons);
	const gpu = run.fallback?.gpu ?? decideGpu(config, host, qemu, display, reasons);
	const memoryMiB = guestMemoryMiB(config, host);
	if (memoryMiB > host.memoryMiB) {
		reasons.push(`memory: ${memoryMiB} MiB is more than the ${host.memoryMiB} MiB of this host; it may run out`);
	}
	const network = decideNetwork(config, host, qemu);
	reasons.push(`network: ${networkLabel({ network })}${network.kind === "closed" ? ` (${network.why})` : ""}`);
	return {
		platform: host.platform,
		arch: host.arch,
		qemuVersion: qemu.version,
		dataFolder: qemu.dataFolder,
		accelerator,
		cpu: run.fallback?.cpu ?? cpuModel(accelerator),
		vcpus: config.vm.vcpus === "auto" ? Math.max(1, Math.min(host.cores, VCPUS_AUTO_MAX)) : config.vm.vcpus,
		memoryMiB,
		gpu,
		snapshot: run.snapshot ?? null,
		passthrough: run.passthrough ?? [],
		gpuFallback: gpu === "virgl" && config.gpu.mode === "auto",
		display,
		window: decideWindow(config, host, display, windowTitle(run.name, networkLabel({ network })), reasons),
		control: decideControl(config, host, qemu, run, reasons),
		network,
		networkFd: NETWORK_FD,
		channels: run.channels,
		images,
		disks: run.disks ?? [],
		sessionLater: run.hasFiles === true && gpu !== "none",
		credentialFiles: run.credentialFiles,
		reasons,
	};
}

/** What the guest gets when nobody falls back to less. */
export function guestMemoryMiB(config: Config, host: Pick<HostFacts, "memoryMiB">): number {
	if (config.vm.memoryMiB !== "auto") return config.vm.memoryMiB;
	const quarter = Math.floor(host.memoryMiB / 4);
	return Math.max(MEMORY_AUTO_MIN_MIB, Math.min(quarter, MEMORY_AUTO_MAX_MIB));
}

function decideAccelerator(config: Config, host: HostFacts, reasons: string[]): Accelerator {
	const wish = config.vm.accel;
	if (wish === "auto") {
		for (const fact of host.accelerators) {
			if (fact.usable) {
				reasons.push(`accelerator: ${fact.name} (${fact.why})`);
				return fact.name;
			}
			reasons.push(`accelerator: not ${fact.name} (${fact.why})`);
		}
		return "tcg";
	}
	const fact = host.accelerators.find((candidate) => candidate.name === wish);
	if (fact?.usable) return wish;
	throw new Fault(`The accelerator "${wish}" cannot be used on this host`, {
		why: fact?.why ?? `there is no ${wish} on ${host.platform}`,
		fix: "use --accel auto, or --accel tcg (slower, works everywhere)",
		exitCode: EXIT.failure,
	});
}

/** TCG's "max" includes 5-level page tables, which cost it time and give a guest of this size nothing. */
function cpuModel(accelerator: Accelerator): string {
	if (accelerator === "kvm" || accelerator === "hvf") return "host";
	return accelerator === "tcg" ? "max,la57=off" : "max";
}

/** @throws Fault where a window is wanted and there is no display for it. */
export function decideDisplay(
	config: Config,
	host: HostFacts,
	run: Pick<RunFacts, "headless">,
	reasons: string[],
): Display {
	const wish = config.display.backend;
	if (wish === "cocoa" && host.platform !== "darwin") {
		throw new Fault(`The display "cocoa" exists on macOS only`, { fix: "use --display auto", exitCode: EXIT.usage });
	}
	if (wish !== "auto") return wish;
	// With a card of its own the guest shows itself on that card's screens.
	if (run.headless || isPassthrough(config)) return "none";
	if (host.platform === "darwin") return "cocoa";
	if (host.platform === "win32") return "sdl";
	// docs/decisions/display.md
	if (host.display.wayland) {
		reasons.push("display: gtk (Wayland session found)");
		return "gtk";
	}
	if (host.display.x11) {
		reasons.push("display: sdl (X11 session found)");
		return "sdl";
	}
	throw new Fault("There is no display to open a window on", {
		why: "neither DISPLAY nor WAYLAND_DISPLAY is set",
		fix: "start it from a desktop session, or try `virtualghost run --headless-test`; --display none runs without a window",
	});
}

/** docs/decisions/control-transport.md */
function decideControl(config: Config, host: HostFacts, qemu: QemuFacts, run: RunFacts, reasons: string[]): Control {
	const wish = config.vm.control;
	// vhost-user devices cannot be in a snapshot.
	if (run.snapshot) return { kind: "unix", path: `${run.instanceFolder}/agent.sock` };
	const [vsock, noVsock] = findVsock(host, qemu, run);
	if (vsock && (wish === "auto" || wish === "vsock")) {
		reasons.push(`control: ${vsock.kind} (${host.kernelVsock.why})`);
		return vsock;
	}
	if (wish === "vsock") throw controlFault(wish, noVsock);
	const noUnix = whyNoUnixForward(host, qemu);
	if (wish === "unix" && noUnix !== null) throw controlFault(wish, noUnix);
	const asked = wish === "auto" ? noVsock : `--control ${wish}`;
	if (wish === "tcp" || noUnix !== null) {
		reasons.push(`control: tcp (${[asked, ...(wish === "auto" && noUnix !== null ? [noUnix] : [])].join("; ")})`);
		return { kind: "tcp", port: run.controlPort ?? 0 };
	}
	reasons.push(`control: unix (${asked})`);
	return { kind: "unix", path: `${run.instanceFolder}/agent.sock` };
}

/** Vsock, or why there is none. */
function findVsock(host: HostFacts, qemu: QemuFacts, run: RunFacts): [Control, ""] | [null, string] {
	if (host.platform !== "linux") return [null, `there is no vsock on ${host.platform}`];
	const folder = run.instanceFolder;
	if (host.kernelVsock.usable) return [{ kind: "vhost-vsock", cid: guestCid(folder, run.contextIdsTaken ?? 0) }, ""];
	if (!qemu.vsockDaemon) return [null, `${host.kernelVsock.why}, and this QEMU comes without vhost-device-vsock`];
	return [{ kind: "vhost-user-vsock", socket: `${folder}/vhost.sock`, vsockPath: `${folder}/vsock` }, ""];
}

/** Older ones know no `hostfwd=unix:`, or (up to 10.2) stumble over a "-" in the path; 11.1.3 was tried. */
const UNIX_FORWARD_SINCE = "11.1";

function whyNoUnixForward(host: HostFacts, qemu: QemuFacts): string | null {
	if (host.platform === "win32") return "QEMU forwards no Unix socket on Windows";
	if (isAtLeast(qemu.version, UNIX_FORWARD_SINCE)) return null;
	return `QEMU ${qemu.version} is older than ${UNIX_FORWARD_SINCE}, the first whose Unix socket forward is known to work`;
}

function controlFault(wish: string, why: string): Fault {
	return new Fault(`The guest's agent cannot be reached by "${wish}" on this host`, {
		why,
		fix: "use --control auto",
		exitCode: EXIT.failure,
	});
}

/**
 * Kernel context ids are shared by the whole host, and nobody gives them out: spread the instances over them by the name of their
 * folder. `taken` steps aside for another program that had the same idea.
 */
function guestCid(instanceFolder: string, taken: number): number {
	let hash = taken;
	for (const char of instanceFolder) hash = (Math.imul(hash, 31) + char.charCodeAt(0)) >>> 0;
	return FIRST_GUEST_CID + (hash % 0x3fff_fff0);
}

/** Behind the three channels. */
const NETWORK_FD = 6;
/** The launcher's own executable, behind that. Linux only. */
export const EXECUTABLE_FD = 7;

/** Three inherited sockets on descriptors 3, 4 and 5, in the order in which `vm/process.ts` opens them. */
export function inheritedChannels(): MachinePlan["channels"] {
	const channel = (fd: number): Channel => ({ kind: "fd", fd });
	return { qmp: channel(3), serial: channel(4), events: channel(5) };
}

/** From this version on QEMU ends by itself when its parent dies. */
export function hasExitWithParent(qemuVersion: string): boolean {
	return isAtLeast(qemuVersion, "10.2");
}
