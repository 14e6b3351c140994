/** The built binary on a host with an IOMMU, though an emulated one: lists, plans, binds, runs a machine with the card, gives it back. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
	carryPayloads,
	expectUntouched,
	look,
	NESTED_TIMEOUT_MS,
	payloadLog,
	runLine,
	startRun,
	stopRun,
	wrongPixels,
} from "./cards.ts";
import { L1 } from "./l1.ts";
import { L1_DEVICE, L1_SCREEN } from "./machine-l1.ts";

const { gpu, audio, sharedGpu, edu } = L1_DEVICE;
const SHORT = gpu.slice("0000:".length);

let l1: L1;

beforeAll(async () => {
	l1 = await L1.start();
	await carryPayloads(l1);
}, NESTED_TIMEOUT_MS);

afterAll(async () => {
	await l1?.[Symbol.asyncDispose]();
});

function nested(name: string, body: () => Promise<void>): void {
	test(name, body, NESTED_TIMEOUT_MS);
}

describe("nothing is changed by", () => {
	nested("gpu list", async () => {
		const cards = JSON.parse(await l1.ok("$VG gpu list --json"));
		expect(cards).toMatchObject([
			{ address: gpu, driver: "bochs-drm", verdict: "can be passed", resetMethods: ["bus"], bootVga: false },
			{ address: sharedGpu, driver: "bochs-drm", verdict: "can be passed" },
		]);
		const members = cards.map(({ group }: { group: { members: { address: string; fate: string }[] } }) =>
			group.members.map(({ address, fate }) => `${address} ${fate}`),
		);
		expect(members).toEqual([
			[`${gpu} passed`, `${audio} passed`],
			[`${L1_DEVICE.bridge} stays`, `${sharedGpu} passed`, `${edu} leaves`],
		]);
		await expectUntouched(l1);
	});

	nested("gpu plan", async () => {
		const { plan } = JSON.parse(await l1.ok(`$VG gpu plan ${SHORT} --json`));
		expect(plan.steps.filter(({ op }: { op: string }) => op !== "load-module")).toEqual([
			{ op: "journal" },
			{ op: "override", bdf: audio, value: "vfio-pci" },
			{ op: "unbind", bdf: audio, driver: "snd_hda_intel" },
			{ op: "probe", bdf: audio },
			{ op: "override", bdf: gpu, value: "vfio-pci" },
			{ op: "unbind", bdf: gpu, driver: "bochs-drm" },
			{ op: "probe", bdf: gpu },
		]);
		await expectUntouched(l1);
	});

	nested("run --dry-run", async () => {
		expect(await l1.ok(`${runLine(SHORT, "short")} --dry-run`)).toContain(`vfio-pci,host=${gpu}`);
		await expectUntouched(l1);
	});
});

nested("gpu apply binds the group, gpu restore gives it back", async () => {
	await l1.ok(`$VG gpu apply ${SHORT}`);
	const bound = await look(l1);
	for (const each of [gpu, audio]) expect(bound).toContain(`${each} vfio-pci vfio-pci\n`);
	expect(bound).toMatch(/^nodes \d+$/m);
	await l1.ok("$VG gpu restore");
	await expectUntouched(l1);
});

nested("run --gpu: the card is the guest's, its picture is outside to the pixel, and it comes back", async () => {
	expect(wrongPixels(await l1.screen(L1_SCREEN.gpu))).toBeGreaterThan(0);
	const run = await startRun(l1, SHORT);
	const log = await payloadLog(l1);
	expect(log).toMatch(/painted 01:00\.0/);
	expect(log).toMatch(/pci 01:00\.1 8086:2668 0403/);
	expect(wrongPixels(await l1.screen(L1_SCREEN.gpu))).toBe(0);
	expect(await look(l1)).toContain(`${gpu} vfio-pci vfio-pci\n`);
	await stopRun(l1, run);
	await expectUntouched(l1);
});

nested("a guest that powers off gives the card back, too", async () => {
	const { code, output } = await l1.run(runLine(gpu, "short"));
	expect({ code, output }).toMatchObject({ code: 0 });
	await expectUntouched(l1);
});

nested(
	"a card that shares its group through a bridge: the neighbour leaves the host, but does not go along",
	async () => {
		const run = await startRun(l1, sharedGpu);
		expect(await look(l1)).toContain(`${edu} vfio-pci vfio-pci\n`);
		expect(await payloadLog(l1)).not.toContain("1234:11e8");
		expect(wrongPixels(await l1.screen(L1_SCREEN.sharedGpu))).toBe(0);
		await stopRun(l1, run);
		await expectUntouched(l1);
	},
);

describe("somebody who is not root", () => {
	nested("gets the card by sudo, and it comes back", async () => {
		const run = await startRun(l1, SHORT, { user: "ghost" });
		expect(await l1.ok("ps -o user= -p $(pgrep -f 'bin/qemu-system')")).toBe("ghost\n");
		expect(wrongPixels(await l1.screen(L1_SCREEN.gpu))).toBe(0);
		await stopRun(l1, run, { user: "ghost" });
		await expectUntouched(l1);
	});

	nested("needs no root for a card that was bound for him", async () => {
		await l1.ok(`SUDO_UID=1001 $VG gpu apply ${SHORT}`);
		const before = await look(l1);
		const run = await startRun(l1, SHORT, { user: "nobody-else" });
		expect(wrongPixels(await l1.screen(L1_SCREEN.gpu))).toBe(0);
		await stopRun(l1, run, { user: "nobody-else" });
		expect(await look(l1)).toBe(before);
		await l1.ok("$VG gpu restore");
		await expectUntouched(l1);
	});
});
