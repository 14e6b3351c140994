/** Which network a machine gets, and what is told of it. */
import { describe, expect, test } from "bun:test";
import { qemuArgv } from "../../../src/plan/argv.ts";
import { networkCard } from "../../../src/plan/devices/network.ts";
import { networkLabel, networkWarning } from "../../../src/plan/network.ts";
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
		expect([qemuArgv(plan).filter((word) => /netdev|virtio-net/.test(word)), networkCard(plan)]).toEqual([[], null]);
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
		expect(argv).toContain("-netdev user,id=net,net=10.0.2.15/24,restrict=on");
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

test("snapshots: none of the network is saved, and a restored machine gets its card later, with a MAC of its own", () => {
	const snapshot = { ramFile: "/s/ram" };
	const make = planOf(linux, embedded, {}, { snapshot: { role: "make", ...snapshot } });
	expect([qemuArgv(make).some((word) => word.includes("id=net")), networkCard(make)]).toEqual([false, null]);
	const mac = "52:54:00:aa:bb:cc";
	const restore = planOf(linux, embedded, {}, { snapshot: { role: "restore", ...snapshot }, networkMac: mac });
	expect(qemuArgv(restore).filter((word) => word.includes("netdev=net"))).toEqual([]);
	expect(networkCard(restore)).toEqual({
		driver: "virtio-net-pci",
		id: "nic",
		netdev: "net",
		bus: "port0",
		mac,
		romfile: "",
	});
});
