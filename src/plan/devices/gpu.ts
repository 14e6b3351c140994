/** Graphics card and window. */
import type { MachinePlan } from "../machine-plan.ts";
import { keyval } from "./keyval.ts";

/** First size of the screen in pixels; the window can be resized later. */
const WIDTH = 1280;
const HEIGHT = 800;

export function gpuArgv(plan: MachinePlan): string[] {
	const argv = ["-vga", "none", "-display", display(plan)];
	if (plan.gpu === "none") return argv;
	if (plan.gpu === "vfio") {
		const second = plan.display === "none" ? [] : ["-device", virtioGpu("virtio-gpu-pci")];
		return [...argv, ...passthroughArgv(plan), ...second];
	}
	// Saved as the plain card, without its driver; restored as the one with OpenGL, which looks the same until a driver asks.
	const model = plan.gpu === "virgl" && plan.snapshot?.role !== "make" ? "virtio-gpu-gl-pci" : "virtio-gpu-pci";
	return [...argv, "-device", virtioGpu(model)];
}

function virtioGpu(model: string): string {
	return keyval(model, { id: "gpu", xres: WIDTH, yres: HEIGHT });
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
	switch (plan.display) {
		case "gtk":
			return keyval("gtk", { gl, "show-menubar": false });
		case "sdl":
			return keyval("sdl", { gl });
		case "cocoa":
			return keyval("cocoa", gl ? { gl: "core" } : {});
		case "none":
			return "none";
	}
}
