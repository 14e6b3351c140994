/** What cannot or must not be passed is refused with the right words, and nothing is changed by it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
	carryPayloads,
	expectUntouched,
	look,
	NESTED_TIMEOUT_MS,
	runLine,
	startRun,
	stopRun,
	UNTOUCHED,
} from "./cards.ts";
import { L1 } from "./l1.ts";
import type { CommandOptions } from "./l1-commands.ts";
import { L1_DEVICE, type L1Options } from "./machine-l1.ts";

const { gpu, audio } = L1_DEVICE;

/** A display among the parts of the chipset; one that shares its group with a network card, a disk and a keyboard. */
const AMONG_CHIPSET = "0000:00:1f.4";
const CROWDED = "0000:05:00.0";
const MORE_DEVICES = [
	...["-device", "bochs-display,id=gpu2,bus=pcie.0,addr=1f.4,romfile="],
	...["-device", "pcie-root-port,id=rp4,bus=pcie.0,chassis=4,addr=15.0"],
	...["-device", "bochs-display,id=gpu3,bus=rp4,addr=0.0,multifunction=on,romfile="],
	...["-netdev", "user,id=n1,net=10.9.8.0/24", "-device", "e1000e,bus=rp4,addr=0.1,netdev=n1,romfile="],
	...["-blockdev", "driver=null-co,node-name=nv2,size=16777216,read-zeroes=on"],
	...["-device", "nvme,serial=vf1,drive=nv2,bus=rp4,addr=0.2"],
	...["-device", "qemu-xhci,id=usb,bus=rp4,addr=0.3", "-device", "usb-kbd,bus=usb.0"],
];

function withL1(options: L1Options): () => L1 {
	let l1: L1 | undefined;
	beforeAll(async () => {
		l1 = await L1.start(options);
		await carryPayloads(l1);
	}, NESTED_TIMEOUT_MS);
	afterAll(async () => {
		await l1?.[Symbol.asyncDispose]();
	});
	return () => {
		if (!l1) throw new Error("there is no L1");
		return l1;
	};
}

function nested(name: string, body: () => Promise<void>): void {
	test(name, body, NESTED_TIMEOUT_MS);
}

interface Obstacle {
	readonly kind: string;
	readonly text: string;
	readonly fix: string;
	readonly forceable: boolean;
}

async function obstacles(l1: L1, card: string, options?: CommandOptions): Promise<readonly Obstacle[]> {
	const { output } = await l1.run(`$VG gpu plan ${card} --json`, options);
	return JSON.parse(output).obstacles;
}

/** Runs with the card: refused with these words before anything is changed. */
async function expectRefused(
	l1: L1,
	card: string,
	words: readonly RegExp[],
	options?: CommandOptions & { before?: string },
) {
	const before = await look(l1);
	const { code, output } = await l1.run(`${options?.before ?? ""}\n${runLine(card, "short")}`, options);
	expect(code).not.toBe(0);
	for (const each of words) expect(output).toMatch(each);
	expect(output).not.toContain("booting");
	expect(await look(l1)).toBe(before);
}

describe("a host as it should be", () => {
	const host = withL1({ devices: MORE_DEVICES });

	nested("no card, no display, no address", async () => {
		await expectRefused(host(), "09:00.0", [/no PCI device 0000:09:00\.0/, /gpu list/]);
		await expectRefused(host(), audio, [/no display controller/]);
		await expectRefused(host(), "1:2:3", [/1:2:3/]);
		await expectUntouched(host());
	});

	nested("a display among the parts of the chipset", async () => {
		expect((await obstacles(host(), AMONG_CHIPSET))[0]).toMatchObject({ kind: "chipset", forceable: false });
		await expectRefused(host(), `${AMONG_CHIPSET} --force`, [/parts of the chipset/, /0000:00:1f\.0/]);
	});

	nested("a group with the default route's network card and the keyboard", async () => {
		await host().ok(`
modprobe -a usbhid hid_generic
nic=$(ls /sys/bus/pci/devices/0000:05:00.1/net)
busybox ip link set $nic up
busybox ip addr add 10.9.8.15/24 dev $nic
busybox ip route add default via 10.9.8.2
tries=0
until grep -q 'QEMU USB Keyboard' /proc/bus/input/devices; do sleep 0.2; tries=$((tries + 1)); [ $tries -lt 100 ] || exit 1; done`);
		const kinds = (await obstacles(host(), CROWDED)).map(({ kind, forceable }) => `${kind} ${forceable}`);
		expect(kinds.sort()).toEqual(["default-route true", "keyboard true"]);
		await expectRefused(host(), CROWDED, [/way to the network/, /keyboard/]);
	});

	nested("somebody who is not root and may not become it", async () => {
		await expectRefused(host(), gpu, [/Root was not granted/, /gpu apply 0000:01:00\.0/], { user: "nobody-else" });
		await expectUntouched(host());
	});

	nested("a limit of locked memory below the guest's memory", async () => {
		const low = { user: "ghost", before: "ulimit -l 8192" } as const;
		await expectRefused(host(), gpu, [/may lock 8 MiB/, /768 MiB in all/, /limits\.d/], low);
		await expectUntouched(host());
	});

	nested("a group of which one function stayed with the host: it is completed, and left as it was", async () => {
		await host().ok(`modprobe vfio-pci; cd /sys/bus/pci
echo vfio-pci >devices/${gpu}/driver_override; echo ${gpu} >devices/${gpu}/driver/unbind; echo ${gpu} >drivers_probe
chown nobody-else /dev/vfio/[0-9]*; chmod 600 /dev/vfio/[0-9]*`);
		// The node is his, but QEMU would only say that the group is not viable.
		await expectRefused(host(), gpu, [/Root was not granted/], { user: "nobody-else" });
		const before = await look(host());
		expect(before).toContain(`${gpu} vfio-pci vfio-pci\n${audio} snd_hda_intel (null)\n`);
		expect(await host().run(runLine(gpu, "short"))).toMatchObject({ code: 0 });
		expect(await look(host())).toBe(before);
		await host().ok(
			`cd /sys/bus/pci/devices/${gpu}; echo ${gpu} >driver/unbind; echo >driver_override; echo ${gpu} >/sys/bus/pci/drivers_probe`,
		);
		await expectUntouched(host());
	});

	nested("a program that draws on the card", async () => {
		const card = `/dev/dri/$(ls /sys/bus/pci/devices/${gpu}/drm | grep card)`;
		const holder = host().start(`exec <${card}; echo holding; exec sleep 1000`);
		await holder.says("holding");
		expect(await obstacles(host(), gpu)).toMatchObject([{ kind: "held", forceable: true }]);
		await expectRefused(host(), gpu, [/in use by sleep/]);
		await host().ok("pkill -f '^sleep 1000'");
		await holder.outcome;
		await expectUntouched(host());
	});

	nested("a card that another run has", async () => {
		const run = await startRun(host(), gpu);
		const { code, output } = await host().run(`${runLine(gpu, "short").replace("--name inner", "--name second")}`);
		expect(code).not.toBe(0);
		expect(output).toMatch(/in use|taken/);
		await stopRun(host(), run);
		await expectUntouched(host());
	});

	nested("a display that shows a picture; --force takes it, and it comes back", async () => {
		await host().ok(`echo Y >/sys/module/drm_kms_helper/parameters/fbdev_emulation
cd /sys/bus/pci/drivers/bochs-drm; echo ${gpu} >unbind; echo ${gpu} >bind`);
		expect(await obstacles(host(), gpu)).toMatchObject([{ kind: "active-connector", forceable: true }]);
		await expectRefused(host(), gpu, [/shows a picture/]);
		expect(await host().run(runLine(gpu, "short", "--force"))).toMatchObject({ code: 0 });
		await expectUntouched(host());
	});
});

describe("an IOMMU without interrupt remapping", () => {
	const host = withL1({ iommu: "no-remapping" });

	nested("is refused, by name", async () => {
		expect(await obstacles(host(), gpu)).toMatchObject([{ kind: "no-interrupt-remapping", forceable: true }]);
		await expectRefused(host(), gpu, [/no interrupt remapping/, /allow_unsafe_interrupts/]);
		await expectUntouched(host());
	});

	nested("--force alone: QEMU is refused by the kernel, and everything comes back", async () => {
		const { code, output } = await host().run(runLine(gpu, "short", "--force"));
		expect(code).not.toBe(0);
		expect(output).toMatch(/Operation not permitted|interrupt/);
		await expectUntouched(host());
	});

	nested("with the kernel's option it is passed", async () => {
		await host().ok(
			"modprobe -r vfio_iommu_type1 || :; modprobe vfio_iommu_type1; echo Y >/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
		);
		expect(await obstacles(host(), gpu)).toEqual([]);
		expect(await host().run(runLine(gpu, "short"))).toMatchObject({ code: 0 });
		await expectUntouched(host());
	});
});

describe("no IOMMU", () => {
	const host = withL1({ iommu: "none" });

	nested("is refused, by name", async () => {
		const cards = JSON.parse(await host().ok("$VG gpu list --json"));
		expect(cards).toMatchObject([{ verdict: "cannot be passed" }, { verdict: "cannot be passed" }]);
		expect((await obstacles(host(), gpu))[0]).toMatchObject({ kind: "no-iommu", forceable: false });
		await expectRefused(host(), `${gpu} --force`, [/no IOMMU/, /VT-d/]);
		expect(await look(host())).toBe(`${UNTOUCHED}nodes\njournals\n`);
	});
});
