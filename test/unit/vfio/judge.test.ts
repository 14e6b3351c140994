import { expect, test } from "bun:test";
import { discover } from "../../../src/vfio/discover.ts";
import { type Asker, judge, lockedMemoryLimit } from "../../../src/vfio/judge.ts";
import { planPassthrough } from "../../../src/vfio/plan.ts";
import type { Machine } from "./machine.ts";
import { NVIDIA, simple } from "./parts.ts";
import { GROUPS, type Scenario } from "./scenarios.ts";
import { HOST } from "./scenarios-host.ts";

const MIB = 1024 * 1024;
const ASKER: Asker = { uid: 1000, memlockBytes: null, guestMemoryBytes: 1024 * MIB };

const judged = (machine: Machine, asker: Partial<Asker> = {}) =>
	judge(discover(machine), NVIDIA.bdf, { ...ASKER, ...asker });

test("which obstacles --force overrides", () => {
	const forceable = new Set<string>();
	const hard = new Set<string>();
	for (const { make, gpu, asker } of Object.values<Scenario>({ ...GROUPS, ...HOST })) {
		for (const each of judge(discover(make()), gpu ?? NVIDIA.bdf, { ...ASKER, ...asker })) {
			(each.forceable ? forceable : hard).add(each.kind);
		}
	}
	expect([...forceable].sort()).toEqual([
		"active-connector",
		"boot-display",
		"default-route",
		"firmware-memory",
		"held",
		"keyboard",
		"mounted-disk",
		"no-interrupt-remapping",
		"no-reset",
		"swap",
	]);
	expect([...hard].sort()).toEqual([
		"chipset",
		"foreign-member",
		"memlock",
		"no-iommu",
		"no-iommu-group",
		"no-vfio-module",
		"noiommu-mode",
		"root-disk",
		"vfio-container",
		"vfio-user",
	]);
});

test("hard obstacles come first, and every one has a remedy", () => {
	const machine = simple({ bootVga: true }).modules().process(1, "Xorg", "/dev/dri/card1");
	const found = judged(machine, { memlockBytes: 0 });
	expect(found.map(({ kind }) => kind)).toEqual(["no-vfio-module", "memlock", "boot-display", "held"]);
	for (const { text, fix } of found) {
		expect(text.length).toBeGreaterThan(10);
		expect(fix.length).toBeGreaterThan(10);
	}
});

test("the limit of locked memory has to hold the guest and 256 MiB", () => {
	const kinds = (asker: Partial<Asker>) => judged(simple(), asker).map(({ kind }) => kind);
	expect(kinds({ memlockBytes: 1280 * MIB })).toEqual([]);
	expect(kinds({ memlockBytes: 1280 * MIB - 1 })).toEqual(["memlock"]);
	expect(kinds({ memlockBytes: null })).toEqual([]);
	expect(kinds({ memlockBytes: 0, guestMemoryBytes: null })).toEqual([]);
	expect(kinds({ memlockBytes: 0, uid: 0 })).toEqual([]);
	expect(judged(simple(), { memlockBytes: 8 * MIB })[0]?.fix).toContain(`memlock ${1280 * 1024}`);
});

test.each([
	["Max locked memory         8388608              8388608              bytes     \n", 8_388_608],
	[
		"Max cpu time              unlimited            unlimited            seconds\nMax locked memory         unlimited            unlimited            bytes     \n",
		null,
	],
	["Max locked memory         0                    unlimited            bytes     \n", 0],
	["", null],
])("%j", (limits, bytes) => {
	expect(lockedMemoryLimit(limits)).toBe(bytes);
});

test("root keeps the node; functions that are bound already are left alone", () => {
	const host = discover(simple());
	const ops = (uid: number) => planPassthrough(host, NVIDIA.bdf, uid).steps.map(({ op }) => op);
	expect(ops(1000)).toEqual([...ops(0), "give-node"]);
	expect(ops(0).indexOf("journal")).toBeLessThan(ops(0).indexOf("override"));
});

test("a card without a group cannot be planned", () => {
	expect(() => planPassthrough(discover(simple().remove("/sys/bus/pci/devices")), NVIDIA.bdf, 0)).toThrow(
		"no IOMMU group",
	);
});
