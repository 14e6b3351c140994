import { describe, expect, test } from "bun:test";
import { kernelCommandLine } from "../../../src/plan/devices/boot.ts";
import type { DesktopFact, HostFacts } from "../../../src/plan/facts.ts";
import { snapshotShape } from "../../../src/plan/snapshot.ts";
import { argvLines, embedded, external, linux, macos, planOf } from "./fixtures.ts";

const on = (desktop: DesktopFact): HostFacts => ({ ...linux, desktop });
const keymapped = (value: string) => on({ keymap: { value, why: "setxkbmap" }, scale: null });
const scaled = (value: number) => on({ keymap: null, scale: { value, why: "Xft.dpi" } });
const lines = (plan: ReturnType<typeof planOf>) =>
	argvLines(plan).filter((line) => /^-(name|display|device virtio-gpu)/.test(line));

describe("the window", () => {
	test("plain, with its machine's name", () => {
		expect(lines(planOf(linux, embedded, {}, { name: "brave-newt" }))).toEqual([
			"-name guest=VirtualGhost — brave-newt [internet]",
			"-display sdl,gl=on",
			"-device virtio-gpu-gl-pci,id=gpu,xres=1280,yres=800",
		]);
	});

	test("a size of one's own is also the screen's", () => {
		const plan = planOf(linux, embedded, { window: "1600x1000" });
		expect(lines(plan)[2]).toBe("-device virtio-gpu-gl-pci,id=gpu,xres=1600,yres=1000");
		expect(plan.window.state).toBe("plain");
	});

	test("full screen is QEMU's own, on every display; maximized is the window library's", () => {
		const fullscreen = { window: "fullscreen" };
		expect(lines(planOf(linux, embedded, fullscreen))[1]).toBe("-display sdl,gl=on,full-screen=on");
		expect(lines(planOf(linux, embedded, { ...fullscreen, display: "gtk" }))[1]).toBe(
			"-display gtk,gl=on,show-menubar=off,full-screen=on",
		);
		expect(lines(planOf(macos, external, fullscreen))[1]).toBe("-display cocoa,full-screen=on");
		expect(planOf(linux, embedded, { window: "maximized" }).window.state).toBe("maximized");
	});

	test.each([
		[1, 1],
		[1.2, 1],
		[1.25, 1.5],
		[1.5, 1.5],
		[1.75, 2],
		[2, 2],
		[3, 2],
	] as const)("a desktop of scale %d gives %d", (has, scale) => {
		const { window } = planOf(scaled(has), embedded);
		expect([window.scale, window.width, window.height]).toEqual([scale, 1280 * scale, 800 * scale]);
	});

	test("the scale is the guest's business where there is a window, and only where it is not 1", () => {
		expect(kernelCommandLine(planOf(scaled(2), embedded))).toContain("virtualghost.scale=2");
		expect(kernelCommandLine(planOf(scaled(1), embedded))).not.toContain("scale");
		expect(kernelCommandLine(planOf(linux, embedded, { scale: "1.5" }))).toContain("virtualghost.scale=1.5");
		expect(kernelCommandLine(planOf(scaled(2), embedded, { display: "none", gpu: "software" }))).not.toContain("scale");
	});
});

describe("the keyboard", () => {
	const option = (plan: ReturnType<typeof planOf>) => /virtualghost\.xkb=(\S+)/.exec(kernelCommandLine(plan))?.[1];

	test("is the host's, or the one that is asked for", () => {
		expect(option(planOf(keymapped("de:nodeadkeys"), embedded))).toBe("de:nodeadkeys");
		expect(option(planOf(keymapped("de"), embedded, { keymap: "fr:bepo:caps:escape" }))).toBe("fr:bepo:caps:escape");
		expect(option(planOf(keymapped("de"), embedded, { keymap: "us" }))).toBeUndefined();
		expect(option(planOf(keymapped("us"), embedded))).toBeUndefined();
		expect(option(planOf({ ...linux, desktop: null }, embedded))).toBeUndefined();
	});

	test("nothing that a tool of the host's prints gets further than a layout's name may", () => {
		for (const value of ["de init=/bin/sh", "de\nx", "DE", "-x", "../etc", 'de"', ""]) {
			expect(option(planOf(keymapped(value), embedded))).toBeUndefined();
		}
		expect(() => planOf(linux, embedded, { keymap: "de quiet" })).toThrow();
		expect(() => planOf(linux, embedded, { window: "10x10" })).toThrow();
		expect(() => planOf(linux, embedded, { window: "1280 x 800" })).toThrow();
	});

	test("snapshots with a screen are kept apart by it, the size and the name of a window do not matter", () => {
		const shape = (...args: Parameters<typeof planOf>) => snapshotShape(planOf(...args), {});
		const plain = shape(linux, embedded);
		expect(shape(keymapped("de"), embedded)).not.toBe(plain);
		expect(shape(linux, embedded, { window: "1600x1000", scale: "2" }, { name: "x" })).toBe(plain);
		const none = { gpu: "none", display: "none" };
		expect(shape(keymapped("de"), embedded, none)).toBe(shape(linux, embedded, none));
	});
});
