import { describe, expect, test } from "bun:test";
import { isAtLeast } from "../../../src/plan/facts.ts";
import { nextAttempt } from "../../../src/plan/fallback.ts";
import { faultOf } from "../fault-of.ts";
import { configOf, embedded, external, linux, macos, planOf, windows } from "./fixtures.ts";

describe("what auto means", () => {
	test("processors and memory follow the host, within bounds", () => {
		expect(planOf(linux, embedded)).toMatchObject({ vcpus: 4, memoryMiB: 4096 });
		expect(planOf({ ...linux, cores: 2, memoryMiB: 4096 }, embedded)).toMatchObject({ vcpus: 2, memoryMiB: 2048 });
		expect(planOf(linux, embedded, { vcpus: "8", memory: "8G" })).toMatchObject({ vcpus: 8, memoryMiB: 8192 });
	});

	test("GPU and display by platform", () => {
		expect(planOf(linux, embedded)).toMatchObject({ gpu: "virgl", display: "sdl" });
		expect(planOf(macos, external)).toMatchObject({ gpu: "software", display: "cocoa" });
		expect(planOf(windows, external)).toMatchObject({ gpu: "software", display: "sdl" });
		expect(planOf(linux, embedded, {}, { headless: true })).toMatchObject({ gpu: "software", display: "none" });
	});

	test("KVM that this user cannot open is passed over, with the reason", () => {
		const host = {
			...linux,
			accelerators: [
				{ name: "kvm" as const, usable: false, why: "EACCES" },
				{ name: "tcg" as const, usable: true, why: "" },
			],
		};
		const plan = planOf(host, embedded);
		expect(plan.accelerator).toBe("tcg");
		expect(plan.reasons.join("\n")).toContain("not kvm (EACCES)");
	});
});

describe("the way to the agent", () => {
	const bare = { ...embedded, vsockDaemon: null };
	const old = { ...external, version: "10.2.3" };
	const path = "/run/user/1000/virtualghost/ab12/agent.sock";

	test("vsock where there is one, else a Unix socket, else a port", () => {
		const kernel = { ...linux, kernelVsock: { usable: true, why: "" } };
		expect(planOf(kernel, embedded).control.kind).toBe("vhost-vsock");
		expect(planOf(linux, embedded).control.kind).toBe("vhost-user-vsock");
		expect(planOf(linux, bare).control).toEqual({ kind: "unix", path });
		expect(planOf(macos, external).control).toEqual({ kind: "unix", path });
		expect(planOf(macos, old, {}, { controlPort: 4711 }).control).toEqual({ kind: "tcp", port: 4711 });
		expect(planOf(windows, external, {}, { controlPort: 4711 }).control).toEqual({ kind: "tcp", port: 4711 });
	});

	test("the reason is told", () => {
		const reason = (...args: Parameters<typeof planOf>) =>
			planOf(...args).reasons.filter((line) => line.startsWith("control"));
		expect(reason(macos, external)).toEqual(["control: unix (there is no vsock on darwin)"]);
		expect(reason(windows, external)).toEqual([
			"control: tcp (there is no vsock on win32; QEMU forwards no Unix socket on Windows)",
		]);
		expect(reason(linux, embedded, { control: "tcp" })).toEqual(["control: tcp (--control tcp)"]);
	});

	test("a wish is followed, or refused with the reason", () => {
		expect(planOf(linux, embedded, { control: "vsock" }).control.kind).toBe("vhost-user-vsock");
		expect(planOf(linux, embedded, { control: "unix" }).control).toEqual({ kind: "unix", path });
		expect(planOf(linux, embedded, { control: "tcp" }).control).toEqual({ kind: "tcp", port: 0 });
		const why = (...args: Parameters<typeof planOf>) => faultOf(() => planOf(...args)).details.why;
		expect(why(macos, external, { control: "vsock" })).toBe("there is no vsock on darwin");
		expect(why(linux, bare, { control: "vsock" })).toContain("without vhost-device-vsock");
		expect(why(windows, external, { control: "unix" })).toContain("on Windows");
		expect(why(linux, old, { control: "unix" })).toContain("QEMU 10.2.3 is older than 11.1");
	});
});

describe("wishes that cannot be had", () => {
	test("no display", () => {
		const fault = faultOf(() => planOf({ ...linux, display: { x11: null, wayland: null } }, embedded));
		expect(fault.message).toBe("There is no display to open a window on");
		expect(fault.details.fix).toContain("--headless-test");
	});

	test("an accelerator of another platform", () => {
		expect(faultOf(() => planOf(linux, embedded, { accel: "hvf" })).details.why).toBe("there is no hvf on linux");
	});

	test("virgl without a display, cocoa without macOS", () => {
		expect(faultOf(() => planOf(linux, embedded, { gpu: "virgl", display: "none" })).exitCode).toBe(2);
		expect(faultOf(() => planOf(linux, embedded, { display: "cocoa" })).exitCode).toBe(2);
	});
});

describe("stepping down", () => {
	const kvm = planOf(linux, embedded);
	const exited = (output: string, exitCode = 1) => ({ kind: "exited" as const, output, exitCode });

	test("KVM that dies, hangs or stops -> TCG, once", () => {
		for (const failure of [
			exited("error: kvm run failed"),
			{ kind: "silent" as const, output: "", exitCode: null },
			{ kind: "internal-error" as const, output: "", exitCode: null },
		]) {
			const next = nextAttempt(configOf(), kvm, failure);
			expect(next).toMatchObject({ choice: { accelerator: "tcg", gpu: "virgl" }, blames: "accelerator" });
			expect(next?.warning).toContain("KVM cannot run the guest here");
		}
		expect(nextAttempt(configOf(), { ...kvm, accelerator: "tcg" }, exited("x"))).toBeNull();
	});

	test("the MSR failure of nested runners gets another CPU first, then TCG", () => {
		const failure = exited("qemu: error: failed to set MSR 0x10a to 0x1");
		expect(nextAttempt(configOf(), kvm, failure)).toMatchObject({
			choice: { cpu: "host,-arch-capabilities" },
			warning: null,
		});
		const retried = { ...kvm, cpu: "host,-arch-capabilities" };
		expect(nextAttempt(configOf(), retried, failure)?.choice.accelerator).toBe("tcg");
	});

	test("what would fail without KVM too is not blamed on it", () => {
		expect(nextAttempt(configOf(), kvm, exited("cannot set up guest memory 'mem': Cannot allocate memory"))).toBeNull();
		expect(nextAttempt(configOf(), kvm, exited("", 134))).toMatchObject({ blames: "accelerator" });
	});

	test("an explicit --accel kvm is not replaced", () => {
		expect(nextAttempt(configOf({ accel: "kvm" }), kvm, exited("kvm run failed"))).toBeNull();
	});

	test("a host without usable OpenGL -> software, unless virgl was asked for", () => {
		const failure = exited("qemu-system-x86_64: egl: no config found");
		expect(nextAttempt(configOf(), kvm, failure)).toMatchObject({ choice: { gpu: "software", accelerator: "kvm" } });
		expect(nextAttempt(configOf({ gpu: "virgl" }), kvm, failure)).toBeNull();
	});
});

test("a port that somebody took in between: the same machine once more, with another one", () => {
	const output =
		"qemu-system-x86_64: -netdev user,id=control: Could not set up host forwarding rule 'tcp:127.0.0.1:4711-192.0.2.15:5222'";
	const failure = { kind: "exited" as const, output, exitCode: 1 };
	const tcp = planOf(linux, embedded, { control: "tcp" });
	expect(nextAttempt(configOf(), tcp, failure)).toEqual({
		choice: { accelerator: "kvm", cpu: "host", gpu: "virgl" },
		warning: null,
		blames: "port",
	});
	expect(nextAttempt(configOf(), planOf(linux, embedded, { control: "unix" }), failure)).toBeNull();
});

describe("a vsock context id that another program has", () => {
	const kernel = { ...linux, kernelVsock: { usable: true, why: "" } };
	const cidOf = (taken: number) => {
		const { control } = planOf(kernel, embedded, {}, { contextIdsTaken: taken });
		return control.kind === "vhost-vsock" ? control.cid : null;
	};

	test("the same machine once more, with another one", () => {
		const output =
			"qemu-system-x86_64: -device vhost-vsock-pci,guest-cid=7: vhost-vsock: unable to set guest cid: Address already in use";
		const failure = { kind: "exited" as const, output, exitCode: 1 };
		expect(nextAttempt(configOf(), planOf(kernel, embedded), failure)).toEqual({
			choice: { accelerator: "kvm", cpu: "host", gpu: "virgl" },
			warning: null,
			blames: "context-id",
		});
		expect(nextAttempt(configOf({ accel: "kvm" }), planOf(linux, embedded), failure)).toBeNull();
	});

	test("each try has another one, none of them reserved", () => {
		const ids = [0, 1, 2, 3, 4, 5].map(cidOf);
		expect(new Set(ids).size).toBe(6);
		for (const id of ids) expect(id).toBeGreaterThanOrEqual(3);
		expect(cidOf(0)).toBe(ids[0] ?? null);
	});
});

test("a display that cannot be reached is the answer: nothing else is tried", () => {
	const failure = {
		kind: "exited" as const,
		output: "Could not initialize SDL(x11 not available) - exiting",
		exitCode: 1,
	};
	expect(nextAttempt(configOf(), planOf(linux, embedded), failure)).toBeNull();
	expect(
		nextAttempt(configOf(), planOf(linux, embedded), {
			kind: "exited",
			output: "gtk initialization failed",
			exitCode: 1,
		}),
	).toBeNull();
});

test("versions", () => {
	expect([
		isAtLeast("11.1.3", "11.1.1"),
		isAtLeast("10.2", "10.2.0"),
		isAtLeast("9.9.9", "10.0"),
		isAtLeast("2.41", "2.36"),
	]).toEqual([true, true, false, true]);
});
