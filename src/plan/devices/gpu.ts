/** Graphics card and window. */
import type { MachinePlan } from "../machine-plan.ts";
import { keyval } from "./keyval.ts";

/** First size of the screen in pixels; the window can be resized later. */
const WIDTH = 1280;
const HEIGHT = 800;

export function gpuArgv(plan: MachinePlan): string[] {
	const argv = ["-vga", "none", "-display", display(plan)];
	if (plan.gpu === "none") return argv;
	const model = plan.gpu === "virgl" ? "virtio-gpu-gl-pci" : "virtio-gpu-pci";
	return [...argv, "-device", keyval(model, { id: "gpu", xres: WIDTH, yres: HEIGHT })];
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
