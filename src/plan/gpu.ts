/** The ladder of ways in which a guest can draw, best first, and which of them this host has. Pure. */
import type { Config } from "../config/schema.ts";
import { EXIT, Fault } from "../errors.ts";
import { OPENGL_MIN } from "../wire/names.ts";
import type { GlFact, HostFacts, Platform, QemuFacts } from "./facts.ts";
import { isAtLeast } from "./facts.ts";
import type { Display, Gpu } from "./machine-plan.ts";

/** A rung. `gpu list` shows the cards of the topmost, vfio. */
export interface Route {
	readonly name: "virgl" | "software";
	readonly usable: boolean;
	/** What speaks for it or against it, in one line. */
	readonly why: string;
	/** What would make it usable; null where it is, or where nothing would. */
	readonly unlock: string | null;
}

/** Which library asks the host's OpenGL as this display's window will. */
export function glApi(display: Display, host: HostFacts): "glx" | "egl-x11" | "egl-wayland" | null {
	if (host.platform !== "linux" || (display !== "sdl" && display !== "gtk")) return null;
	if (host.display.wayland) return "egl-wayland";
	if (!host.display.x11) return null;
	return display === "sdl" ? "glx" : "egl-x11";
}

/** What the operating system's own OpenGL can be at most, whatever the card. */
const PLATFORM_LIMIT: Readonly<Record<Platform, { readonly version: string; readonly why: string } | null>> = {
	linux: null,
	darwin: { version: "4.1", why: "macOS stops at OpenGL 4.1" },
	win32: { version: "3.1", why: "QEMU draws through ANGLE on Windows, which stops at OpenGL ES 3.1" },
};

function noVirgl(why: string, unlock: string | null): Route {
	return { name: "virgl", usable: false, why, unlock };
}

function virglRoute(host: HostFacts, qemu: QemuFacts, display: Display): Route {
	const limit = PLATFORM_LIMIT[host.platform];
	if (limit) return noVirgl(`${limit.why}, and Ghostty needs ${OPENGL_MIN}`, null);
	if (display === "none") return noVirgl("there is no window, so nothing on the host to render with", "open a window");
	if (!qemu.virgl) {
		return noVirgl("this QEMU is built without virgl", "use the embedded QEMU, or install one with virtio-gpu-gl-pci");
	}
	return judgeGl(host.gl);
}

function judgeGl(gl: GlFact | null): Route {
	if (!gl) return { name: "virgl", usable: true, why: "the host's OpenGL was not asked", unlock: null };
	if (gl.version === null) {
		return noVirgl(
			`the host's OpenGL cannot be used (${gl.why})`,
			"check that the display is right and the driver of the graphics card installed (Debian: libgl1-mesa-dri libglx-mesa0 libegl-mesa0)",
		);
	}
	const has = `OpenGL ${shortVersion(gl.version)} of "${gl.renderer}"`;
	if (!isAtLeast(gl.version, OPENGL_MIN)) {
		return noVirgl(`the host gives ${has}, and Ghostty needs ${OPENGL_MIN}`, "a newer driver, or another card");
	}
	return { name: "virgl", usable: true, why: `the host gives ${has}`, unlock: null };
}

/** "4.5" of "4.5 (Core Profile) Mesa 22.3.6". */
export function shortVersion(version: string): string {
	return /^\d+\.\d+/.exec(version)?.[0] ?? "of an unknown version";
}

/** Every rung below vfio, best first. Software always works. */
export function gpuRoutes(host: HostFacts, qemu: QemuFacts, display: Display): readonly Route[] {
	return [
		virglRoute(host, qemu, display),
		{ name: "software", usable: true, why: "Mesa's llvmpipe draws on the guest's processors", unlock: null },
	];
}

/** Whether a card of the host's is to be handed to the guest. */
export function isPassthrough({ gpu: { mode } }: Config): boolean {
	return mode !== "auto" && mode !== "virgl" && mode !== "software" && mode !== "none";
}

function requireLinux(address: string, platform: Platform): void {
	if (platform === "linux") return;
	throw new Fault(`--gpu ${address} needs Linux`, {
		why: `only Linux can hand a graphics card to a guest (VFIO); this is ${platform === "darwin" ? "macOS" : "Windows"}`,
		fix: "use --gpu auto",
		exitCode: EXIT.usage,
	});
}

/** @throws Fault where virgl is asked for and this host does not have it. */
export function decideGpu(config: Config, host: HostFacts, qemu: QemuFacts, display: Display, reasons: string[]): Gpu {
	const wish = config.gpu.mode;
	if (wish === "software" || wish === "none") return wish;
	if (wish !== "auto" && wish !== "virgl") {
		requireLinux(wish, host.platform);
		reasons.push(`gpu: vfio (${wish} is handed to the guest)`);
		return "vfio";
	}
	const virgl = virglRoute(host, qemu, display);
	if (wish === "virgl" && !virgl.usable) {
		const noWindow = display === "none";
		throw new Fault(noWindow ? "--gpu virgl needs a window, and this run has none" : "--gpu virgl does not work here", {
			why: virgl.why,
			fix: noWindow
				? "add --display gtk or --display sdl, or use --gpu software"
				: ["use --gpu auto", virgl.unlock].filter(Boolean).join("; what would help: "),
			exitCode: noWindow ? EXIT.usage : EXIT.failure,
		});
	}
	if (virgl.usable) {
		reasons.push(`gpu: virgl (${virgl.why})`);
		return "virgl";
	}
	reasons.push(`gpu: software (${virgl.why})`);
	return "software";
}
