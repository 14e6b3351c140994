/** Graphics card and window. */
import type { MachinePlan } from "../machine-plan.ts";
import { keyval } from "./keyval.ts";

export function gpuArgv(plan: MachinePlan): string[] {
	const argv = ["-vga", "none", "-display", display(plan)];
	if (plan.gpu === "none") return argv;
	if (plan.gpu === "vfio") {
		const second = plan.display === "none" ? [] : ["-device", virtioGpu("virtio-gpu-pci", plan)];
		return [...argv, ...passthroughArgv(plan), ...second];
	}
	// Saved as the plain card, without its driver; restored as the one with OpenGL, which looks the same until a driver asks.
	const model = plan.gpu === "virgl" && plan.snapshot?.role !== "make" ? "virtio-gpu-gl-pci" : "virtio-gpu-pci";
	return [...argv, "-device", virtioGpu(model, plan)];
}

/** The size is the first one; the window can be resized later. */
function virtioGpu(model: string, { window }: MachinePlan): string {
	return keyval(model, { id: "gpu", xres: window.width, yres: window.height });
}

/**
 * Behind a port of its own, as a card in a slot: drivers look for the link to it. The functions of one card stay one card. The name of
 * the port becomes that of its bus, and must be none of its properties: "slot" is one.
 */
function passthroughArgv({ passthrough }: MachinePlan): string[] {
	const argv = ["-device", keyval("pcie-root-port", { id: "card-port", chassis: 1 })];
	for (const [i, host] of passthrough.entries()) {
		argv.push(
			"-device",
			keyval("vfio-pci", { host, bus: "card-port", addr: `0.${i}`, multifunction: i === 0 ? true : undefined }),
		);
	}
	return argv;
}

function display(plan: MachinePlan): string {
	const gl = plan.gpu === "virgl";
	const fullScreen = plan.window.state === "fullscreen" ? { "full-screen": true } : {};
	switch (plan.display) {
		case "gtk":
			return keyval("gtk", { gl, "show-menubar": false, ...fullScreen });
		case "sdl":
			return keyval("sdl", { gl, ...fullScreen });
		case "cocoa":
			return keyval("cocoa", { ...(gl ? { gl: "core" } : {}), ...fullScreen });
		case "none":
			return "none";
	}
}
