/** Finds the QEMU to run and works out how it is started: the embedded bundle, or one of the user's. */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { EXIT, Fault, reason } from "../errors.ts";
import { type Arch, type BundleVersions, isAtLeast, type QemuFacts } from "../plan/facts.ts";
import { hostGlibcVersion } from "./libc.ts";
import { areNamespacesRestricted, PRIVILEGED_PATH } from "./user-namespaces.ts";

/** CVE-2026-3886 and others in virtio-gpu are fixed from here on. */
const SAFE_VERSION = "11.0";

/** Where distributions keep their shared libraries; the loader's own cache (ld.so.cache) is asked after these. */
const HOST_LIBRARY_FOLDERS = ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/usr/lib"];
const HOST_LOADER = "/lib64/ld-linux-x86-64.so.2";

/** In the bundle: makes QEMU's window ours. */
const WINDOW_LIBRARY = "lib/virtualghost-window.so";

export interface FoundQemu {
	readonly facts: QemuFacts;
	/** Added to the environment of QEMU. */
	readonly env: Readonly<Record<string, string>>;
	/** One line for the user, or null. */
	readonly warning: string | null;
}

/**
 * The bundle extracted at `folder`. Its C library is used only where it is newer than the host's: the host's GL drivers
 * are loaded into this process and need theirs (Steam's runtime decides the same way).
 */
export function embeddedQemu(folder: string, bundle: BundleVersions): FoundQemu {
	const glibc = hostGlibcVersion();
	const useBundledGlibc = glibc === null || !isAtLeast(glibc, bundle.glibc);
	const hostLibstdcxx = findHostLibstdcxx();
	const useBundledGcc = hostLibstdcxx === null || !isAtLeast(hostLibstdcxx, bundle.libstdcxx);
	const libraries = [
		...(useBundledGlibc ? [join(folder, "glibc")] : []),
		...(useBundledGcc ? [join(folder, "gcc")] : []),
		join(folder, "lib"),
		...HOST_LIBRARY_FOLDERS.filter((path) => existsSync(path)),
		// X11, Wayland and DRM clients: the host's go with its GL drivers; ours serve a host that lacks one.
		join(folder, "fallback"),
	];
	const loader = useBundledGlibc ? join(folder, "glibc", "ld-linux-x86-64.so.2") : HOST_LOADER;
	const start = (name: string, ...options: string[]) => {
		return [loader, "--library-path", libraries.join(":"), ...options, join(folder, "bin", name)];
	};
	// docs/decisions/window.md
	const window = ["--preload", join(folder, WINDOW_LIBRARY)];
	return {
		facts: {
			source: "embedded",
			command: start("qemu-system-x86_64", ...window),
			version: bundle.version,
			dataFolder: join(folder, "share"),
			vsockDaemon: start("vhost-device-vsock"),
			passt: allowedPasst() ?? start("passt"),
			bwrap: start("bwrap"),
			folders: [folder],
			virgl: true,
		},
		env: { ...bundleEnvironment(folder), QEMU_MODULE_DIR: join(folder, "modules") },
		warning: null,
	};
}

/**
 * Variables that the bundle asks for in `launch.json`, by display; all are set, since they do not get into each other's way.
 * `{bundle}` stands for its folder. Empty while the bundle is not extracted yet.
 */
function bundleEnvironment(folder: string): Record<string, string> {
	const path = join(folder, "launch.json");
	if (!existsSync(path)) return {};
	const { environment } = JSON.parse(readFileSync(path, "utf8")) as {
		environment: Record<string, Record<string, string>>;
	};
	const variables = Object.assign({}, ...Object.values(environment)) as Record<string, string>;
	return Object.fromEntries(
		Object.entries(variables).map(([key, value]) => [key, value.replaceAll("{bundle}", folder)]),
	);
}

/** "6.0.30" of libstdc++.so.6.0.30, or null without one. */
function findHostLibstdcxx(): string | null {
	for (const folder of HOST_LIBRARY_FOLDERS) {
		const path = join(folder, "libstdc++.so.6");
		if (existsSync(path)) return basename(realpathSync(path)).replace(/^libstdc\+\+\.so\./, "");
	}
	return null;
}

/** A QEMU outside of the bundle: the one that the configuration names, else the one in PATH or its usual places. */
export function externalQemu(wish: string | null, arch: Arch): FoundQemu {
	const path = wish ?? findInSystem(arch === "arm64" ? "qemu-system-aarch64" : "qemu-system-x86_64");
	if (!path) {
		throw new Fault("There is no QEMU to run", {
			why: "this build carries none for this platform, and none is in PATH",
			fix: "install QEMU (macOS: brew install qemu; Windows: winget install SoftwareFreedomConservancy.QEMU) or give --qemu PATH",
		});
	}
	const version = askVersion(path);
	const warning = isAtLeast(version, SAFE_VERSION)
		? null
		: `QEMU ${version} (${path}) has known holes that let a guest reach the host; use ${SAFE_VERSION} or newer`;
	return {
		facts: {
			source: "external",
			command: [path],
			version,
			dataFolder: null,
			vsockDaemon: findHelper("vhost-device-vsock"),
			passt: findHelper("passt"),
			bwrap: null,
			folders: foldersOf(path),
			virgl: hasDevice(path, "virtio-gpu-gl-pci"),
		},
		env: {},
		warning,
	};
}

function askVersion(path: string): string {
	let output: string;
	try {
		output = Bun.spawnSync([path, "--version"], { stdout: "pipe", stderr: "pipe" }).stdout.toString();
	} catch (error) {
		throw new Fault(`${path} cannot be started`, {
			why: reason(error),
			fix: "give --qemu a QEMU system emulator",
			exitCode: EXIT.usage,
		});
	}
	const version = /version (\d+\.\d+(\.\d+)?)/.exec(output)?.[1];
	if (version && /QEMU/i.test(output)) return version;
	throw new Fault(`${path} is not a QEMU system emulator`, {
		fix: "give --qemu the path of qemu-system-x86_64",
		exitCode: EXIT.usage,
	});
}

/** QEMU lists a device's properties, or fails where it does not have it. */
function hasDevice(path: string, name: string): boolean {
	return Bun.spawnSync([path, "-device", `${name},help`], { stdout: "ignore", stderr: "ignore" }).exitCode === 0;
}

function findInSystem(name: string): string | null {
	const found = Bun.which(name);
	if (found) return found;
	const windows = `C:\\Program Files\\qemu\\${name}.exe`;
	const places = process.platform === "win32" ? [windows] : [`/opt/homebrew/bin/${name}`, `/usr/local/bin/${name}`];
	return places.find((path) => existsSync(path)) ?? null;
}

/** The system's, where ours would not be allowed to lock itself in. */
function allowedPasst(): string[] | null {
	return areNamespacesRestricted() && existsSync(PRIVILEGED_PATH.passt) ? [PRIVILEGED_PATH.passt] : null;
}

/** An installation of one's own: `PREFIX/bin/qemu…` with all of PREFIX, a build folder with all that is in it. */
function foldersOf(path: string): string[] {
	let real: string;
	try {
		real = realpathSync(path);
	} catch {
		return [];
	}
	if (real.startsWith("/usr/")) return [];
	const folder = dirname(real);
	const prefix = basename(folder) === "bin" ? dirname(folder) : folder;
	// A home folder is not QEMU's to read.
	const isOwn = prefix !== "/" && prefix !== homedir() && dirname(prefix) !== "/";
	return [...new Set([path, real, ...(isOwn ? [prefix] : [])])];
}

function findHelper(name: string): string[] | null {
	const path = process.platform === "linux" ? Bun.which(name) : null;
	return path ? [path] : null;
}
