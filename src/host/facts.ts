/** Gathers the facts about this host, once a run. */
import { accessSync, constants } from "node:fs";
import os from "node:os";
import { reason } from "../errors.ts";
import type { Arch, HostFacts, Platform } from "../plan/facts.ts";
import { findAccelerators } from "./accelerators.ts";

const MIB = 1024 * 1024;
const VHOST_VSOCK = "/dev/vhost-vsock";

export function hostPlatform(): Platform {
	return process.platform === "darwin" || process.platform === "win32" ? process.platform : "linux";
}

export function hostArch(): Arch {
	return process.arch === "arm64" ? "arm64" : "x64";
}

export function gatherHostFacts(env: Readonly<Record<string, string | undefined>>): HostFacts {
	const platform = hostPlatform();
	return {
		platform,
		arch: hostArch(),
		cores: os.availableParallelism(),
		memoryMiB: Math.floor(os.totalmem() / MIB),
		accelerators: findAccelerators(platform),
		display: { x11: env.DISPLAY || null, wayland: env.WAYLAND_DISPLAY || null },
		gl: null,
		ipv6: hasIpv6(),
		desktop: null,
		kernelVsock: findKernelVsock(platform),
	};
}

/** Unique local addresses count: behind a router that translates they reach the internet too. */
function hasIpv6(): boolean {
	const addresses = Object.values(os.networkInterfaces()).flatMap((each) => each ?? []);
	return addresses.some(
		({ family, address, internal }) => family === "IPv6" && !internal && !/^fe[89ab]/i.test(address),
	);
}

function findKernelVsock(platform: Platform): HostFacts["kernelVsock"] {
	if (platform !== "linux") return { usable: false, why: `there is no vsock on ${platform}` };
	try {
		accessSync(VHOST_VSOCK, constants.R_OK | constants.W_OK);
		return { usable: true, why: `${VHOST_VSOCK} can be opened` };
	} catch (error) {
		return { usable: false, why: `${VHOST_VSOCK} cannot be used: ${reason(error)}` };
	}
}
