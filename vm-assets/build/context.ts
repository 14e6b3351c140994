/** What every step of the build needs to know. */
import { homedir } from "node:os";
import { join } from "node:path";
import { Fault } from "../../src/errors.ts";

/** Architecture of the guest in Bun's words. */
export type Arch = "x64" | "arm64";

export type Distribution = "debian" | "arch";

export interface Context {
	/** Root of the repository. */
	readonly repo: string;
	readonly arch: Arch;
	/** Quick compression for development: bigger files. */
	readonly fast: boolean;
	/** Make every step anew, with today's packages. */
	readonly refresh: boolean;
	/** Folders of steps that this build has made: `refresh` makes each once. */
	readonly made: Set<string>;
	/** Folder of finished steps, outside the repository. */
	readonly cache: string;
	/** Absolute: folder of package files that go into the root file system; without it `vm-assets/packages`. */
	readonly packages?: string;
	/** What the root file system is made of; Debian without it. */
	readonly distribution?: Distribution;
	/** A root file system of Arch packages that was made elsewhere (Containerfile); absolute. */
	readonly rootTree?: string;
}

/** All times of files in the images, so that equal content gives equal bytes: 2026-01-01 00:00 UTC. */
export const SOURCE_EPOCH = 1767225600;

/** Debian's word for an architecture. */
export function debianArch(arch: Arch): string {
	return arch === "x64" ? "amd64" : "arm64";
}

export function cacheFolder(env: Readonly<Record<string, string | undefined>>): string {
	const chosen = env.VIRTUALGHOST_BUILD_CACHE;
	if (chosen !== undefined && chosen !== "") return chosen;
	const xdg = env.XDG_CACHE_HOME;
	return join(xdg?.startsWith("/") ? xdg : join(homedir(), ".cache"), "virtualghost-build");
}

/** Throws a Fault where assets cannot be made at all. */
export function requireLinux(arch: Arch): void {
	if (process.platform !== "linux" || process.arch !== arch) {
		throw new Fault(`the ${arch} guest images can only be built on a Linux ${arch} machine`, {
			why: `This machine is ${process.platform} ${process.arch}.`,
			fix: "Build them there and copy dist/assets, or build only the binary of another target.",
		});
	}
}
