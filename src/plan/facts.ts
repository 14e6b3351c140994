/** What a plan needs to know about the host. Gathered once by `host/`, printed by `doctor`, never probed in here. */

export type Platform = "linux" | "darwin" | "win32";
export type Arch = "x64" | "arm64";
export type Accelerator = "kvm" | "hvf" | "whpx" | "tcg";

export interface AcceleratorFact {
	readonly name: Accelerator;
	readonly usable: boolean;
	/** Why not, or what speaks for it. */
	readonly why: string;
}

export interface DisplayFact {
	/** `$DISPLAY`, or null. */
	readonly x11: string | null;
	/** `$WAYLAND_DISPLAY`, or null. */
	readonly wayland: string | null;
}

/** The host's OpenGL, asked as the window will ask it. */
export interface GlFact {
	/** OpenGL's own words: "4.5 (Core Profile) Mesa 22.3.6"; null where there is none. */
	readonly version: string | null;
	readonly renderer: string;
	/** Why there is none. */
	readonly why: string;
}

/** The desktop that a window opens on; each with where it was read. */
export interface DesktopFact {
	/** `layout[:variant[:options]]` as XKB names it. */
	readonly keymap: { readonly value: string; readonly why: string } | null;
	/** 2 where everything is drawn twice as large. */
	readonly scale: { readonly value: number; readonly why: string } | null;
}

export interface HostFacts {
	readonly platform: Platform;
	readonly arch: Arch;
	/** Logical processors. */
	readonly cores: number;
	readonly memoryMiB: number;
	/** Hardware accelerators first, TCG last. */
	readonly accelerators: readonly AcceleratorFact[];
	readonly display: DisplayFact;
	/** Null where nobody has asked: it takes a process of its own, and only a window with OpenGL needs it. */
	readonly gl: GlFact | null;
	/** Whether it has an IPv6 address that may lead somewhere. */
	readonly ipv6: boolean;
	/** Null where nobody has asked: only a window needs it. */
	readonly desktop: DesktopFact | null;
	/** Whether the kernel's vhost-vsock can be used by this user. */
	readonly kernelVsock: { readonly usable: boolean; readonly why: string };
}

export interface QemuFacts {
	/** The embedded bundle, or a QEMU of the user's. */
	readonly source: "embedded" | "external";
	/** How it is started: a loader and its arguments first where the bundle needs one, then the binary. */
	readonly command: readonly string[];
	readonly version: string;
	/** Firmware folder for `-L`, or null to use the one that QEMU was built with. */
	readonly dataFolder: string | null;
	/** How vhost-device-vsock is started, or null where there is none. */
	readonly vsockDaemon: readonly string[] | null;
	/** How passt is started, or null where there is none. */
	readonly passt: readonly string[] | null;
	/** How bubblewrap is started, or null where the bundle has none. */
	readonly bwrap: readonly string[] | null;
	/** What it reads besides the system's own folders. */
	readonly folders: readonly string[];
	/** Whether it has virtio-gpu-gl-pci. */
	readonly virgl: boolean;
}

/** Versions in the embedded QEMU bundle. */
export interface BundleVersions {
	readonly version: string;
	readonly glibc: string;
	readonly libstdcxx: string;
}

/** A disk: a file of its own, or a part (in bytes) of the launcher's executable, which QEMU inherits open. */
export type DiskImage =
	| { readonly kind: "file"; readonly path: string }
	| { readonly kind: "executable"; readonly offset: number; readonly size: number };

/** Files that the machine is made of; paths are absolute. */
export interface ImagePaths {
	readonly kernel: string;
	readonly initramfs: string;
	readonly root: DiskImage;
	readonly guest: DiskImage;
	/** The driver pack, or null without one. */
	readonly drivers: string | null;
	/** The terminal's look, a tar archive; null for the image's own. */
	readonly look: string | null;
}

/** `[major, minor, patch]` of "11.1.3"; missing parts count as 0. */
export function parseVersion(text: string): readonly [number, number, number] {
	const [major = 0, minor = 0, patch = 0] = text.split(/[^0-9]+/).map(Number);
	return [major, minor, patch];
}

/** Whether `version` is `minimum` or newer. */
export function isAtLeast(version: string, minimum: string): boolean {
	const have = parseVersion(version);
	const want = parseVersion(minimum);
	for (let i = 0; i < 3; i++) {
		const difference = (have[i] ?? 0) - (want[i] ?? 0);
		if (difference !== 0) return difference > 0;
	}
	return true;
}
