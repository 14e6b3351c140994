/** The ladder: which way of drawing is chosen on which host, with what reason. */
import { describe, expect, test } from "bun:test";
import type { HostFacts } from "../../../src/plan/facts.ts";
import { glApi, gpuRoutes } from "../../../src/plan/gpu.ts";
import { faultOf } from "../fault-of.ts";
import { argvLines, embedded, external, linux, macos, planOf, windows } from "./fixtures.ts";

const withGl = (version: string | null, renderer = "Mesa DRI"): HostFacts => ({
	...linux,
	gl: { version, renderer, why: version === null ? "libGL.so.1 is missing" : "" },
});
const gpuReason = (host: HostFacts, flags: Record<string, string> = {}, qemu = embedded) =>
	planOf(host, qemu, flags).reasons.find((reason) => reason.startsWith("gpu:"));

describe("auto", () => {
	test.each([
		["4.6 (Core Profile) Mesa 25.0.7", "virgl"],
		["4.6.0 NVIDIA 580.95.05", "virgl"],
		["4.3", "virgl"],
		["10.0", "virgl"],
		["4.2 (Core Profile) Mesa 22.3.6", "software"],
		["3.1 Mesa 22.3.6", "software"],
		["2.1 Metal", "software"],
		["", "software"],
		["garbage", "software"],
	])("host with OpenGL %j: %s", (version, gpu) => {
		expect(planOf(withGl(version), embedded).gpu).toBe(gpu as never);
	});

	test("says why", () => {
		expect([
			gpuReason(linux),
			gpuReason(withGl("3.1 Mesa 22.3.6")),
			gpuReason(withGl(null)),
			gpuReason(linux, {}, { ...external, virgl: false }),
			gpuReason(linux, { display: "none" }),
			gpuReason(macos),
			gpuReason(windows),
		]).toMatchInlineSnapshot(`
		  [
		    "gpu: virgl (the host gives OpenGL 4.6 of "AMD Radeon RX 6600")",
		    "gpu: software (the host gives OpenGL 3.1 of "Mesa DRI", and Ghostty needs 4.3)",
		    "gpu: software (the host's OpenGL cannot be used (libGL.so.1 is missing))",
		    "gpu: software (this QEMU is built without virgl)",
		    "gpu: software (there is no window, so nothing on the host to render with)",
		    "gpu: software (macOS stops at OpenGL 4.1, and Ghostty needs 4.3)",
		    "gpu: software (QEMU draws through ANGLE on Windows, which stops at OpenGL ES 3.1, and Ghostty needs 4.3)",
		  ]
		`);
	});

	test("a session that is not good enough may step down, one with a GPU that was asked for may not", () => {
		const optionOf = (flags: Record<string, string>) =>
			argvLines(planOf(linux, embedded, flags))
				.find((line) => line.startsWith("-append"))
				?.includes("gpu-fallback");
		expect([optionOf({}), optionOf({ gpu: "virgl" }), optionOf({ gpu: "software" })]).toEqual([true, false, false]);
	});
});

describe("virgl that was asked for", () => {
	test.each([
		["the host has too little", withGl("3.1 Mesa 22.3.6"), {}],
		["the host has none", withGl(null), {}],
		["macOS", macos, {}],
		["no window", linux, { display: "none" }],
	])("%s: an error with the reason", (_name, host, flags) => {
		const fault = faultOf(() => planOf(host, embedded, { ...flags, gpu: "virgl" }));
		expect([fault.message, fault.details.why, fault.details.fix]).toMatchSnapshot();
	});
});

describe("a card of the host's", () => {
	test("its functions become one card behind a port, and nothing else is a screen", () => {
		const passthrough = ["0000:01:00.0", "0000:01:00.1"];
		const lines = argvLines(planOf(linux, embedded, { gpu: "01:00.0" }, { passthrough }));
		expect(lines.filter((line) => /vfio|root-port|vga|display|virtio-gpu/.test(line))).toMatchInlineSnapshot(`
		  [
		    "-device pcie-root-port,id=port0,chassis=10,addr=0x10.0,multifunction=on",
		    "-device pcie-root-port,id=port1,chassis=11,addr=0x10.1",
		    "-device pcie-root-port,id=port2,chassis=12,addr=0x10.2",
		    "-device pcie-root-port,id=port3,chassis=13,addr=0x10.3",
		    "-vga none",
		    "-display none",
		    "-device pcie-root-port,id=card-port,chassis=1",
		    "-device vfio-pci,host=0000:01:00.0,bus=card-port,addr=0.0,multifunction=on",
		    "-device vfio-pci,host=0000:01:00.1,bus=card-port,addr=0.1",
		    "-append console=ttyS0 quiet loglevel=3 panic=-1 systemd.show_status=0 systemd.import_credentials=no cryptomgr.notests virtualghost.gpu=vfio virtualghost.network=dual",
		  ]
		`);
	});

	test("--display adds a virtual screen", () => {
		const lines = argvLines(
			planOf(linux, embedded, { gpu: "01:00.0", display: "sdl" }, { passthrough: ["0000:01:00.0"] }),
		);
		expect(lines.filter((line) => /virtio-gpu|-display/.test(line))).toMatchInlineSnapshot(`
		  [
		    "-display sdl,gl=off",
		    "-device virtio-gpu-pci,id=gpu,xres=1280,yres=800",
		  ]
		`);
	});

	test("needs Linux", () => {
		for (const host of [macos, windows]) {
			const fault = faultOf(() => planOf(host, embedded, { gpu: "01:00.0" }));
			expect(fault.message).toBe("--gpu 0000:01:00.0 needs Linux");
		}
	});
});

test("the host's OpenGL is asked through the library that the window will use", () => {
	const wayland = { ...linux, display: { x11: ":0", wayland: "wayland-0" } };
	expect([
		glApi("sdl", linux),
		glApi("gtk", linux),
		glApi("gtk", wayland),
		glApi("sdl", wayland),
		glApi("none", linux),
		glApi("cocoa", macos),
	]).toEqual(["glx", "egl-x11", "egl-wayland", "egl-wayland", null, null]);
});

test("what helps is told for every route that cannot be taken and could be", () => {
	expect(gpuRoutes(withGl("3.1"), embedded, "sdl").map(({ usable, unlock }) => [usable, unlock !== null])).toEqual([
		[false, true],
		[true, false],
	]);
});
