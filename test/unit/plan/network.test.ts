/** Which network a machine gets, and what is told of it. */
import { describe, expect, test } from "bun:test";
import { qemuArgv } from "../../../src/plan/argv.ts";
import { kernelCommandLine } from "../../../src/plan/devices/boot.ts";
import { networkLabel, networkWarning } from "../../../src/plan/network.ts";
import { snapshotShape } from "../../../src/plan/snapshot.ts";
import { faultOf } from "../fault-of.ts";
import { embedded, external, linux, macos, planOf, windows } from "./fixtures.ts";

function shown(...args: Parameters<typeof planOf>): [string, string, string | null] {
	const plan = planOf(...args);
	return [plan.network.kind, networkLabel(plan), networkWarning(plan.network)];
}

describe("modes", () => {
	test("none: no card and no way out of QEMU", () => {
		const plan = planOf(linux, embedded, { network: "none" });
		expect(shown(linux, embedded, { network: "none" })).toEqual(["none", "[offline]", null]);
		expect(qemuArgv(plan).filter((word) => /netdev|virtio-net/.test(word))).toEqual([]);
	});

	test("internet, the default", () => {
		expect(shown(linux, embedded)).toEqual(["filtered", "[internet]", null]);
	});

	test("host, with a warning", () => {
		for (const qemu of [embedded, external]) {
			const [, label, warning] = shown(linux, qemu, { network: "host" });
			expect([label, warning]).toEqual(["[host network]", expect.stringContaining("127.0.0.1")]);
		}
	});
});

describe("where nobody filters", () => {
	test.each([
		["macOS", macos, embedded, "does not run on darwin"],
		["Windows", windows, embedded, "does not run on win32"],
		["no passt", linux, external, "is not installed"],
		["an old QEMU", linux, { ...embedded, version: "7.1.0" }, "older than 7.2"],
	] as const)("%s: the internet becomes a card that leads nowhere, with the reason", (_name, host, qemu, why) => {
		const [kind, label, warning] = shown(host, qemu);
		expect([kind, label, warning]).toEqual(["closed", "[offline]", expect.stringContaining(why)]);
		const argv = qemuArgv(planOf(host, qemu)).join(" ");
		expect(argv).toContain("-netdev user,id=net,net=10.0.2.15/24,ipv6=off,restrict=on");
		expect(argv).not.toMatch(/-netdev user,(?!.*restrict=on)/);
	});

	test("rules that nobody would keep are refused", () => {
		expect(faultOf(() => planOf(macos, embedded, { allow: "10.0.0.1" })).message).toBe(
			"--allow cannot be kept on this host",
		);
		const deny = { network: "host", deny: "10.0.0.1" };
		expect(faultOf(() => planOf(linux, external, deny)).message).toBe("--deny cannot be kept on this host");
	});
});

test("--allow without a network is a mistake", () => {
	expect(faultOf(() => planOf(linux, embedded, { network: "none", allow: "10.0.0.1" })).details.exitCode).toBe(2);
});

describe("snapshots", () => {
	const words = (flags: Record<string, string>, role: "make" | "restore") => {
		const argv = qemuArgv(planOf(linux, embedded, flags, { snapshot: { role, ramFile: "/s/ram" } }));
		return argv.filter((word) => word.includes("id=net,") || word.includes("id=nic"));
	};

	test("a card with nothing behind it is saved, and restored with this machine's network behind it", () => {
		const card = "virtio-net-pci,id=nic,netdev=net,mac=52:54:00:76:68:01,romfile=";
		expect(words({}, "make")).toEqual(["hubport,id=net,hubid=0", card]);
		expect(words({}, "restore")).toEqual(["stream,id=net,server=off,addr.type=fd,addr.str=6", card]);
		expect(words({ network: "none" }, "restore")).toEqual([]);
	});

	test("machines share one where their guests are set up alike, whatever they may reach", () => {
		const shape = (flags: Record<string, string>, host = linux) => snapshotShape(planOf(host, embedded, flags), {});
		expect(shape({ network: "host" })).toBe(shape({}));
		expect(shape({ allow: "10.0.0.1" })).toBe(shape({}));
		expect(shape({ network: "none" })).not.toBe(shape({}));
		expect(shape({}, { ...linux, ipv6: false })).not.toBe(shape({}));
	});
});

test("the guest is told what to set up", () => {
	const option = (flags: Record<string, string>, host = linux) =>
		/virtualghost\.network=\w+/.exec(kernelCommandLine(planOf(host, embedded, flags)))?.[0];
	expect(option({})).toBe("virtualghost.network=dual");
	expect(option({}, { ...linux, ipv6: false })).toBe("virtualghost.network=ipv4");
	expect([option({ network: "none" }), option({}, macos)]).toEqual([undefined, undefined]);
});
