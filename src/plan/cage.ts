/** QEMU's cage: bubblewrap's arguments, so that a QEMU that a guest has taken over finds next to nothing. Pure. docs/decisions/cage.md */
import { dirname } from "node:path";
import { executableByPath } from "./devices/disks.ts";
import type { ImagePaths, QemuFacts } from "./facts.ts";
import { hasControlCard, type MachinePlan } from "./machine-plan.ts";

/** How this host's window system is reached. */
export interface DisplayDoor {
	/** Socket of the X server; null where X is reached over the network, or not at all. */
	readonly x11Socket: string | null;
	readonly xauthority: string | null;
	readonly waylandSocket: string | null;
	/** The X server can be reached over the network only. */
	readonly needsNetwork: boolean;
}

export interface CageFacts {
	/** How bubblewrap is started; it works on this host. */
	readonly command: readonly string[];
	readonly display: DisplayDoor;
}

/** What a caged process gets to see besides the system's libraries. */
interface Sight {
	/** Of the launcher's, where images are parts of it. */
	readonly executable?: string;
	readonly read: readonly string[];
	readonly write: readonly string[];
	/** Devices and sockets. */
	readonly devices: readonly string[];
	readonly network: boolean;
	/** X11 hands pictures over in System V shared memory. */
	readonly ipc: boolean;
}

/** Programs, libraries, and what OpenGL drivers, toolkits and the loader read; not every system has all. */
const SYSTEM = [
	...["/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/nix/store", "/gnu/store", "/run/opengl-driver"],
	...[
		"/etc/ld.so.cache",
		"/etc/ld.so.conf",
		"/etc/ld.so.conf.d",
		"/etc/alternatives",
		"/etc/fonts",
		"/var/cache/fontconfig",
	],
	...["/etc/glvnd", "/etc/egl", "/etc/vulkan", "/etc/drirc", "/etc/localtime", "/etc/X11", "/etc/static"],
	"/sys/devices/system/cpu",
	"/sys/devices/system/node",
];

/** Where drivers find out which card a render node is. */
const GPU_READ = ["/sys/dev/char", "/sys/devices", "/sys/class/drm", "/sys/bus/pci", "/sys/module/nvidia"];
const GPU_DEVICES = [
	...[
		"/dev/dri",
		"/dev/nvidiactl",
		"/dev/nvidia0",
		"/dev/nvidia1",
		"/dev/nvidia-modeset",
		"/dev/nvidia-uvm",
		"/dev/dxg",
	],
	"/dev/udmabuf",
];

/** Why QEMU of this machine runs without a cage although there is one; null where it can have it. */
export function whyNoCage({ gpu }: Pick<MachinePlan, "gpu">): string | null {
	return gpu === "vfio" ? "a passed-through card needs more of the host than a cage gives" : null;
}

/** The launcher's executable as a caged QEMU sees it: read-only, while a descriptor of the host's would let it change the file's mode. */
const EXECUTABLE_INSIDE = "/executable";

/** The whole command line: `argv`, in its cage. `executable` is the launcher's path where images are parts of it. */
export function cagedQemu(
	cage: CageFacts,
	plan: MachinePlan,
	qemu: Pick<QemuFacts, "folders">,
	argv: readonly string[],
	machineFolder: string,
	executable: string | null,
): string[] {
	const { display, images, snapshot } = plan;
	const hasWindow = display === "gtk" || display === "sdl";
	const usesGpu = plan.gpu === "virgl";
	const door = cage.display;
	const sockets = hasWindow ? [door.x11Socket, door.waylandSocket] : [];
	const files = imageFiles(images);
	const snapshotFolder = snapshot === null ? [] : [dirname(snapshot.ramFile)];
	const isMaking = snapshot?.role === "make";
	const inside = executable === null ? argv : executableByPath(argv, EXECUTABLE_INSIDE);
	return caged(cage, inside, {
		...(executable === null ? {} : { executable }),
		read: [
			...qemu.folders,
			...files,
			...plan.credentialFiles,
			...(hasWindow && door.xauthority ? [door.xauthority] : []),
			...(isMaking ? [] : snapshotFolder),
			...(usesGpu ? GPU_READ : []),
		],
		write: [machineFolder, ...plan.disks.map(({ path }) => path), ...(isMaking ? snapshotFolder : [])],
		devices: [
			...sockets.filter((path) => path !== null),
			...(plan.accelerator === "kvm" ? ["/dev/kvm"] : []),
			...(plan.control.kind === "vhost-vsock" ? ["/dev/vhost-vsock"] : []),
			...(usesGpu ? GPU_DEVICES : []),
		],
		network: needsNetwork(plan) || (hasWindow && door.needsNetwork),
		ipc: hasWindow && door.x11Socket !== null,
	});
}

/** Images that are files of their own. */
function imageFiles({ kernel, initramfs, root, guest, drivers, look }: ImagePaths): string[] {
	const disks = [root, guest].flatMap((place) => (place.kind === "file" ? [place.path] : []));
	return [kernel, initramfs, ...disks, ...[drivers, look].filter((path) => path !== null)];
}

/** QEMU itself makes connections: as the last resort to the launcher, or for `--network host` without passt. */
function needsNetwork(plan: MachinePlan): boolean {
	return (hasControlCard(plan) && plan.control.kind === "tcp") || plan.network.kind === "open";
}

/** vhost-device-vsock: its sockets, and nothing else. */
export function cagedVsockDaemon(
	cage: CageFacts,
	qemu: Pick<QemuFacts, "folders">,
	argv: readonly string[],
	machineFolder: string,
): string[] {
	const sight = { read: qemu.folders, write: [machineFolder], devices: [], network: false, ipc: false };
	return caged(cage, argv, sight);
}

/** A cage with nothing in it but what every program needs: to find out whether this host has any. */
export function cagedProbe(command: readonly string[], folders: readonly string[], argv: readonly string[]): string[] {
	const display = { x11Socket: null, xauthority: null, waylandSocket: null, needsNetwork: false };
	const sight = { read: folders, write: [], devices: [], network: false, ipc: false };
	return caged({ command, display }, argv, sight);
}

function caged({ command }: CageFacts, argv: readonly string[], sight: Sight): string[] {
	const bind = (option: string, paths: readonly string[]) => paths.flatMap((path) => [option, path, path]);
	return [
		...command,
		...["--unshare-user", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "virtualghost"],
		...(sight.ipc ? [] : ["--unshare-ipc"]),
		...(sight.network ? [] : ["--unshare-net"]),
		// No namespaces inside, no capabilities, and the end of the launcher is the end of all of it.
		...["--disable-userns", "--cap-drop", "ALL", "--die-with-parent"],
		...["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"],
		...bind("--ro-bind-try", SYSTEM),
		...bind("--ro-bind-try", sight.read),
		...(sight.executable === undefined ? [] : ["--ro-bind", sight.executable, EXECUTABLE_INSIDE]),
		...bind("--bind-try", sight.write),
		...bind("--dev-bind-try", sight.devices),
		// What holds all this together takes no files.
		...["--remount-ro", "/", "--chdir", "/", "--"],
		...argv,
	];
}
