/** What a caged QEMU sees, for each kind of machine. */
import { describe, expect, test } from "bun:test";
import { type CageFacts, cagedProbe, cagedQemu, cagedVsockDaemon, whyNoCage } from "../../../src/plan/cage.ts";
import type { RunFacts } from "../../../src/plan/decide.ts";
import { disksArgv } from "../../../src/plan/devices/disks.ts";
import { embedded, external, linux, planOf } from "./fixtures.ts";

const x11: CageFacts = {
	command: ["/cache/qemu/bin/bwrap"],
	display: {
		x11Socket: "/tmp/.X11-unix/X0",
		xauthority: "/home/u/.Xauthority",
		waylandSocket: null,
		needsNetwork: false,
	},
};
const FOLDER = "/run/user/1000/virtualghost/ab12/q";

const EXECUTABLE = "/opt/bin/virtualghost";

function cagedFor(flags: Record<string, string>, run: Partial<RunFacts> = {}, cage = x11, qemu = embedded): string[] {
	const plan = planOf(linux, qemu, flags, { ...run, instanceFolder: FOLDER });
	return cagedQemu(cage, plan, qemu, ["qemu", "-x"], FOLDER, EXECUTABLE);
}

/** Paths behind an option, without those of every system. */
function bound(argv: readonly string[], option: string): string[] {
	const paths = argv.flatMap((word, i) => (word === option ? [argv[i + 1] ?? ""] : []));
	return paths.filter(
		(path) => !/^\/(usr|lib\w*|bin|nix|gnu|etc|var|run\/opengl-driver|sys\/devices\/system)/.test(path),
	);
}

test("a window with OpenGL under X11, KVM", () => {
	const argv = cagedFor({});
	expect(argv.slice(-3)).toEqual(["--", "qemu", "-x"]);
	expect(bound(argv, "--ro-bind-try")).toEqual([
		// The images are parts of the launcher's executable.
		...["/cache/qemu", "/c/kernel", "/c/initramfs", "/run/k1", "/run/k2", "/home/u/.Xauthority"],
		...["/sys/dev/char", "/sys/devices", "/sys/class/drm", "/sys/bus/pci", "/sys/module/nvidia"],
	]);
	expect(bound(argv, "--bind-try")).toEqual([FOLDER]);
	const devices = bound(argv, "--dev-bind-try");
	expect(devices.slice(0, 3)).toEqual(["/tmp/.X11-unix/X0", "/dev/kvm", "/dev/dri"]);
	expect(argv).toContain("--unshare-net");
	// X11's pictures go through System V shared memory.
	expect(argv).not.toContain("--unshare-ipc");
});

test("the launcher's executable is inside, read-only and by a name; no descriptor of it", () => {
	const plan = planOf(linux, embedded, {}, { instanceFolder: FOLDER });
	const argv = cagedQemu(x11, plan, embedded, ["qemu", ...disksArgv(plan)], FOLDER, EXECUTABLE);
	const at = argv.indexOf("--ro-bind");
	expect(argv.slice(at, at + 3)).toEqual(["--ro-bind", EXECUTABLE, "/executable"]);
	expect(argv).not.toContain("-add-fd");
	const disks = argv.filter((word) => word.includes("file.filename=/executable"));
	expect(disks.length).toBe(2);
	expect(argv.join(" ")).not.toContain("fdset");
	const files = cagedQemu(x11, plan, embedded, ["qemu"], FOLDER, null);
	expect(files).not.toContain("/executable");
});

test("without a window there is no display, no card and no shared memory inside", () => {
	const argv = cagedFor({ display: "none", gpu: "software" }, { headless: true });
	expect(bound(argv, "--dev-bind-try")).toEqual(["/dev/kvm"]);
	expect(bound(argv, "--ro-bind-try")).not.toContain("/home/u/.Xauthority");
	expect(argv).toContain("--unshare-ipc");
});

describe("every cage", () => {
	const cages = {
		QEMU: cagedFor({}),
		"vhost-device-vsock": cagedVsockDaemon(x11, embedded, ["daemon"], FOLDER),
		probe: cagedProbe(["bwrap"], ["/cache/qemu"], ["bwrap", "--version"]),
	};
	test.each(Object.entries(cages))("%s: namespaces, no capabilities, ends with the launcher", (_name, argv) => {
		for (const option of [
			"--unshare-user",
			"--unshare-pid",
			"--unshare-uts",
			"--unshare-net",
			"--disable-userns",
			"--die-with-parent",
		])
			expect(argv).toContain(option);
		expect(argv.join(" ")).toContain("--cap-drop ALL");
		// Neither the home folder nor the launcher's own part of the instance folder.
		const written = argv.filter(
			(word) => word.startsWith("/home/u/") || word === "/home/u" || word === "/run/user/1000/virtualghost/ab12",
		);
		expect(written.filter((word) => word !== "/home/u/.Xauthority")).toEqual([]);
	});
});

test("a snapshot's folder can be written while it is made, and only then", () => {
	const ramFile = "/cache/snapshots/.abc.draft/ram";
	const make = cagedFor({ display: "none" }, { snapshot: { role: "make", ramFile } });
	const restore = cagedFor({ display: "none" }, { snapshot: { role: "restore", ramFile } });
	expect(bound(make, "--bind-try")).toEqual([FOLDER, "/cache/snapshots/.abc.draft"]);
	expect(bound(restore, "--bind-try")).toEqual([FOLDER]);
	expect(bound(restore, "--ro-bind-try")).toContain("/cache/snapshots/.abc.draft");
});

test("QEMU keeps the host's network only where it makes connections itself", () => {
	const hasNet = (argv: readonly string[]) => !argv.includes("--unshare-net");
	expect(hasNet(cagedFor({ control: "tcp" }, { controlPort: 4711 }))).toBe(true);
	expect(hasNet(cagedFor({ network: "host" }, {}, x11, external))).toBe(true);
	expect(hasNet(cagedFor({ network: "host" }))).toBe(false);
	const remote = { ...x11, display: { ...x11.display, x11Socket: null, needsNetwork: true } };
	expect(hasNet(cagedFor({}, {}, remote))).toBe(true);
	expect(hasNet(cagedFor({ display: "none" }, {}, remote))).toBe(false);
});

test("a passed-through card runs outside", () => {
	expect(whyNoCage({ gpu: "vfio" })).toContain("a passed-through card");
	expect(whyNoCage({ gpu: "virgl" })).toBeNull();
});
