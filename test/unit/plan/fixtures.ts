/** Hosts and configurations for the golden command lines. */
import { loadConfig } from "../../../src/config/load.ts";
import type { Config } from "../../../src/config/schema.ts";
import { qemuArgv } from "../../../src/plan/argv.ts";
import { decide, inheritedChannels, type RunFacts } from "../../../src/plan/decide.ts";
import type { HostFacts, ImagePaths, QemuFacts } from "../../../src/plan/facts.ts";
import type { MachinePlan } from "../../../src/plan/machine-plan.ts";

const tcg = { name: "tcg", usable: true, why: "always" } as const;

export const linux: HostFacts = {
	platform: "linux",
	arch: "x64",
	cores: 8,
	memoryMiB: 16384,
	accelerators: [{ name: "kvm", usable: true, why: "/dev/kvm can be opened" }, tcg],
	display: { x11: ":0", wayland: null },
	gl: { version: "4.6 (Core Profile) Mesa 25.0.7", renderer: "AMD Radeon RX 6600", why: "" },
	ipv6: true,
	desktop: { keymap: { value: "us", why: "setxkbmap" }, scale: null },
	kernelVsock: { usable: false, why: "/dev/vhost-vsock cannot be used" },
};

export const macos: HostFacts = {
	...linux,
	platform: "darwin",
	accelerators: [{ name: "hvf", usable: true, why: "kern.hv_support is 1" }, tcg],
	display: { x11: null, wayland: null },
	gl: null,
	kernelVsock: { usable: false, why: "no vsock on darwin" },
};

export const windows: HostFacts = {
	...macos,
	platform: "win32",
	accelerators: [{ name: "whpx", usable: true, why: "WinHvPlatform.dll is there" }, tcg],
};

export const embedded: QemuFacts = {
	source: "embedded",
	command: ["/cache/qemu/bin/qemu-system-x86_64"],
	version: "11.1.3",
	dataFolder: "/cache/qemu/share",
	vsockDaemon: ["/cache/qemu/bin/vhost-device-vsock"],
	passt: ["/cache/qemu/bin/passt"],
	bwrap: ["/cache/qemu/bin/bwrap"],
	folders: ["/cache/qemu"],
	virgl: true,
};

export const external: QemuFacts = {
	source: "external",
	command: ["qemu-system-x86_64"],
	version: "11.1.0",
	dataFolder: null,
	vsockDaemon: null,
	passt: null,
	bwrap: null,
	folders: [],
	virgl: true,
};

/** On Linux the images are parts of the launcher's executable. */
export const images: ImagePaths = {
	kernel: "/c/kernel",
	initramfs: "/c/initramfs",
	root: { kind: "executable", offset: 200_000_001, size: 4096 },
	guest: { kind: "executable", offset: 200_004_097, size: 8192 },
	drivers: null,
	look: null,
};

/** Elsewhere, and where the executable cannot be read, they are files. */
export const extractedImages: ImagePaths = {
	...images,
	root: { kind: "file", path: "/c/root" },
	guest: { kind: "file", path: "/c/guest" },
};

export const tcpChannels: MachinePlan["channels"] = {
	qmp: { kind: "tcp", port: 5001 },
	serial: { kind: "tcp", port: 5002 },
	events: { kind: "tcp", port: 5003 },
};

export function configOf(flags: Record<string, string> = {}): Config {
	return loadConfig({ file: null, env: {}, flags, home: "/home/u", cwd: "/w" }).config;
}

export function planOf(
	host: HostFacts,
	qemu: QemuFacts,
	flags: Record<string, string> = {},
	run: Partial<RunFacts> = {},
): MachinePlan {
	return decide(configOf(flags), host, qemu, host.platform === "linux" ? images : extractedImages, {
		headless: false,
		instanceFolder: "/run/user/1000/virtualghost/ab12",
		channels: inheritedChannels(),
		credentialFiles: ["/run/k1", "/run/k2"],
		...run,
	});
}

/** One argument pair a line, which reads and diffs well. */
export function argvLines(plan: MachinePlan): string[] {
	const lines: string[] = [];
	for (const word of qemuArgv(plan)) {
		if (word.startsWith("-")) lines.push(word);
		else lines[lines.length - 1] += ` ${word}`;
	}
	return lines;
}
