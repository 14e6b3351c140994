/** Made-up machines, and what each shows: cards alone and together, their groups, what they are used for. */
import type { Asker } from "../../../src/vfio/judge.ts";
import { Machine } from "./machine.ts";
import { AMD, INTEL, NIC, NVIDIA, NVME, partition, ROOT_PORT, simple, USB, withDisk, withRootPort } from "./parts.ts";

export interface Scenario {
	readonly make: () => Machine;
	/** Default: the card of `NVIDIA`. */
	readonly gpu?: string;
	readonly asker?: Partial<Asker>;
	/** Kinds of obstacles, in the order in which they are named. */
	readonly obstacles: readonly string[];
}

export const CARDS: Readonly<Record<string, Scenario>> = {
	"single-card": { make: () => new Machine().pci(NVIDIA), obstacles: [] },
	"card-and-audio": { make: () => simple(), obstacles: [] },
	"four-functions": {
		make: () =>
			simple()
				.pci({ ...USB, bdf: "0000:01:00.2", id: "10de:1ad8", under: [ROOT_PORT] })
				.pci({
					...USB,
					bdf: "0000:01:00.3",
					id: "10de:1ad9",
					class: "0c8000",
					driver: "nvidia-gpu",
					under: [ROOT_PORT],
				})
				.file("/sys/bus/pci/devices/0000:01:00.2/usb5/5-1/product", "Mass Storage\n"),
		obstacles: [],
	},
	"bridge-in-group": { make: () => withRootPort(simple()), obstacles: [] },
	"two-cards-one-group": {
		make: () => simple().pci({ ...AMD, group: 13, bootVga: true, connectors: { "DP-1": "connected enabled" } }),
		obstacles: ["boot-display", "active-connector"],
	},
	"two-equal-cards": {
		make: () => simple().pci({ ...NVIDIA, bdf: "0000:02:00.0", group: 14, card: 2, bootVga: true }),
		obstacles: [],
	},
	"card-without-driver": {
		make: () => new Machine().pci({ bdf: NVIDIA.bdf, id: NVIDIA.id, class: "030000", group: 13, reset: "bus" }),
		obstacles: [],
	},
	"integrated-intel": {
		make: () => new Machine().pci({ ...INTEL, bootVga: true, connectors: { "eDP-1": "connected enabled" } }),
		gpu: INTEL.bdf,
		obstacles: ["boot-display", "active-connector"],
	},
	"muxless-laptop": {
		make: () => new Machine().pci({ ...INTEL, bootVga: true }).pci({ ...NVIDIA, class: "030200", connectors: {} }),
		obstacles: [],
	},
	"virtual-function": {
		make: () => {
			const port = "0000:00:03.0";
			const gpu = { ...INTEL, bdf: "0000:07:00.0", under: [port], group: 20, files: { sriov_numvfs: "1\n" } };
			const vf = { ...INTEL, bdf: "0000:07:00.1", under: [port], group: 21, card: 4 };
			const machine = new Machine().pci(gpu).pci(vf);
			return machine.symlink(`${machine.place(vf)}/physfn`, "../0000:07:00.0");
		},
		gpu: "0000:07:00.1",
		obstacles: [],
	},
	"physical-function-in-use": {
		make: () => new Machine().pci({ ...INTEL, files: { sriov_numvfs: "7\n" } }),
		gpu: INTEL.bdf,
		obstacles: ["virtual-functions"],
	},
	"domain-10000": {
		make: () =>
			new Machine().pci({ ...NVIDIA, bdf: "10000:e1:00.0", under: ["0000:00:0e.0", "pci10000:e0", "10000:e0:06.0"] }),
		gpu: "10000:E1:00.0",
		obstacles: [],
	},
	"no-cards": { make: () => new Machine().pci(USB), gpu: USB.bdf, obstacles: ["not-display"] },
	"absent-card": { make: () => simple(), gpu: "0000:09:00.0", obstacles: ["absent"] },
	"no-pci": { make: () => new MemoryLess(), obstacles: ["absent"] },
};

/** Not even the kernel tells anything. */
class MemoryLess extends Machine {
	constructor() {
		super();
		this.remove("/proc").remove("/lib");
	}
}

export const GROUPS: Readonly<Record<string, Scenario>> = {
	"chipset-in-group": {
		make: () =>
			simple()
				.pci({ bdf: "0000:00:1f.0", id: "8086:7a84", class: "060100", group: 13 })
				.pci({ bdf: "0000:00:1f.4", id: "8086:7aa3", class: "0c0500", driver: "i801_smbus", group: 13 }),
		obstacles: ["chipset"],
	},
	"host-bridge-in-group": {
		make: () => simple().pci({ bdf: "0000:00:00.0", id: "8086:4660", class: "060000", group: 13 }),
		obstacles: [],
	},
	"host-bridge-with-driver": {
		make: () =>
			simple().pci({ bdf: "0000:00:00.0", id: "8086:4660", class: "060000", driver: "skl_uncore", group: 13 }),
		obstacles: ["chipset"],
	},
	"platform-device-in-group": {
		make: () => simple().folder("/sys/kernel/iommu_groups/13/devices/arm-smmu.0.auto"),
		obstacles: ["foreign-member"],
	},
	"firmware-memory": {
		make: () =>
			simple().file(
				"/sys/kernel/iommu_groups/13/reserved_regions",
				"0x00000000bb800000 0x00000000bfffffff direct\n0x00000000fee00000 0x00000000feefffff msi\n",
			),
		obstacles: ["firmware-memory"],
	},
	"firmware-memory-no-more": {
		make: () =>
			simple().file(
				"/sys/kernel/iommu_groups/13/reserved_regions",
				"0x00000000bb800000 0x00000000bfffffff direct-relaxable\n0x00000000fee00000 0x00000000feefffff msi\n",
			),
		obstacles: [],
	},
	"root-disk-nvme": {
		make: () => withDisk(simple()).mount("259:2", "/", "ext4", "/dev/nvme0n1p2"),
		obstacles: ["root-disk"],
	},
	"root-disk-dm-crypt": {
		make: () => {
			const machine = withDisk(simple());
			const [crypt, volume] = ["/sys/devices/virtual/block/dm-0", "/sys/devices/virtual/block/dm-1"];
			machine.block(crypt, "254:0").block(volume, "254:1").slave(volume, crypt).slave(crypt, partition(machine));
			return machine.mount("254:1", "/", "xfs", "/dev/mapper/vg-root");
		},
		obstacles: ["root-disk"],
	},
	"root-disk-btrfs-of-two": {
		make: () => {
			const machine = withDisk(simple());
			const other = "/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda";
			machine.block(other, "8:0").file("/dev/sda", "").mount("0:27", "/", "btrfs", "/dev/sda");
			machine.symlink("/sys/fs/btrfs/0f1e/devices/sda", other);
			return machine.symlink("/sys/fs/btrfs/0f1e/devices/nvme0n1p2", partition(machine));
		},
		obstacles: ["root-disk"],
	},
	"root-disk-nvme-multipath": {
		make: () => {
			const machine = simple().pci(NVME);
			const subsystem = "/sys/devices/virtual/nvme-subsystem/nvme-subsys0";
			machine.symlink(
				`${subsystem}/nvme0`,
				`${machine.folder(`${machine.place(NVME)}/nvme/nvme0`).place(NVME)}/nvme/nvme0`,
			);
			return machine.block(`${subsystem}/nvme0n1`, "259:0").mount("259:0", "/", "ext4", "/dev/nvme0n1");
		},
		obstacles: ["root-disk"],
	},
	"root-on-zfs": {
		make: () => withDisk(simple()).mount("0:24", "/", "zfs", "rpool/ROOT/debian"),
		obstacles: ["root-disk"],
	},
	"data-on-zfs": {
		make: () => withDisk(simple()).mount("0:24", "/srv", "zfs", "tank"),
		obstacles: ["mounted-disk"],
	},
	"data-disk": {
		make: () => withDisk(simple()).mount("259:1", "/mnt/my\\040games", "ext4", "/dev/nvme0n1p1"),
		obstacles: ["mounted-disk"],
	},
	"loop-on-disk": {
		make: () => {
			const machine = withDisk(simple()).mount("259:1", "/data", "ext4", "/dev/nvme0n1p1");
			const loop = "/sys/devices/virtual/block/loop0";
			machine.block(loop, "7:0").file(`${loop}/loop/backing_file`, "/data/image.squashfs\n");
			return machine.mount("7:0", "/snap/core", "squashfs", "/dev/loop0");
		},
		obstacles: ["mounted-disk"],
	},
	"swap-partition": {
		make: () => withDisk(simple()).swap("/dev/nvme0n1p2").file("/dev/nvme0n1p2", ""),
		obstacles: ["swap"],
	},
	"swap-file": {
		make: () =>
			withDisk(simple())
				.mount("259:1", "/data", "ext4", "/dev/nvme0n1p1")
				.swap("/data/swap\\040file")
				.swap("/dev/zram0"),
		obstacles: ["mounted-disk", "swap"],
	},
	"unused-disk": { make: () => withDisk(simple()), obstacles: [] },
	"default-route-ipv4": {
		make: () => {
			const machine = simple().pci(NIC);
			return machine
				.net("enp5s0", machine.place(NIC))
				.routes("enp5s0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0");
		},
		obstacles: ["default-route"],
	},
	"default-route-ipv6-bridge": {
		make: () => {
			const machine = simple().pci(NIC);
			const bridge = "/sys/devices/virtual/net/br0";
			machine.net("enp5s0", machine.place(NIC)).folder(bridge).symlink("/sys/class/net/br0", bridge);
			machine.symlink(`${bridge}/lower_enp5s0`, `${machine.place(NIC)}/net/enp5s0`);
			const zero = "0".repeat(32);
			return machine.file(
				"/proc/net/ipv6_route",
				[
					`${zero} 00 ${zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003      br0`,
					`${zero} 00 ${zero} 00 ${zero} ffffffff 00000001 00000000 00200200       lo`,
				].join("\n"),
			);
		},
		obstacles: ["default-route"],
	},
	"other-network-card": {
		make: () => {
			const machine = simple().pci(NIC);
			return machine
				.net("enp5s0", machine.place(NIC))
				.routes("enp5s0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0");
		},
		obstacles: [],
	},
	"keyboard-on-usb": {
		make: () => {
			const machine = simple().pci(USB);
			return machine.keyboard("Cherry GmbH Keyboard", `${machine.place(USB)}/usb1/1-2/1-2:1.0/0003/input/input4`);
		},
		obstacles: ["keyboard"],
	},
	"power-button-on-usb": {
		make: () => {
			const machine = simple().pci(USB);
			const path = machine.place(USB).slice("/sys".length);
			const button = `N: Name="Headset"\nS: Sysfs=${path}/usb1/1-2/input/input9\nB: EV=3\nB: KEY=3 0 0 fffff00000000000\n\n`;
			return machine.file("/proc/bus/input/devices", button);
		},
		obstacles: [],
	},
	"bridge-above-everything": {
		make: () => {
			const machine = withRootPort(simple()).pci({ ...NVME, group: 30, under: [ROOT_PORT] });
			const disk = `/sys/devices/pci0000:00/${ROOT_PORT}/${NVME.bdf}/nvme/nvme0/nvme0n1`;
			return machine.block(disk, "259:0").mount("259:0", "/", "ext4", "/dev/nvme0n1");
		},
		obstacles: [],
	},
};
