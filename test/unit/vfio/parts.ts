/** Parts that the made-up machines are put together from, as they look in real ones. */
import { type FunctionSpec, Machine } from "./machine.ts";

export const ROOT_PORT = "0000:00:01.0";

/** A gaming PC's only card: GPU and sound behind a root port of the processor. */
export const NVIDIA: FunctionSpec = {
	bdf: "0000:01:00.0",
	id: "10de:2684",
	class: "030000",
	driver: "nouveau",
	group: 13,
	under: [ROOT_PORT],
	reset: "flr bus",
	card: 1,
	connectors: { "HDMI-A-1": "disconnected", "DP-1": "disconnected" },
};

export const NVIDIA_AUDIO: FunctionSpec = {
	bdf: "0000:01:00.1",
	id: "10de:22ba",
	class: "040300",
	driver: "snd_hda_intel",
	group: 13,
	under: [ROOT_PORT],
	soundCard: 1,
};

export const AMD: FunctionSpec = {
	bdf: "0000:03:00.0",
	id: "1002:744c",
	class: "030000",
	driver: "amdgpu",
	group: 15,
	under: ["0000:00:01.1", "0000:02:00.0"],
	reset: "bus",
	card: 2,
	connectors: { "DP-1": "disconnected" },
};

export const INTEL: FunctionSpec = {
	bdf: "0000:00:02.0",
	id: "8086:4680",
	class: "030000",
	driver: "i915",
	group: 0,
	reset: "flr",
	card: 0,
};

export const NVME: FunctionSpec = {
	bdf: "0000:04:00.0",
	id: "144d:a80a",
	class: "010802",
	driver: "nvme",
	group: 13,
	under: ["0000:00:1c.0"],
	reset: "flr bus",
};

export const NIC: FunctionSpec = {
	bdf: "0000:05:00.0",
	id: "8086:15f3",
	class: "020000",
	driver: "igc",
	group: 13,
	under: ["0000:00:1c.4"],
	reset: "flr",
};

export const USB: FunctionSpec = {
	bdf: "0000:00:14.0",
	id: "8086:7ae0",
	class: "0c0330",
	driver: "xhci_hcd",
	group: 13,
	reset: "pm",
};

/** With a bridge that is in the group, as processors without ACS on their ports have it. */
export function withRootPort(machine: Machine, group = 13): Machine {
	return machine.pci({ bdf: ROOT_PORT, id: "8086:460d", class: "060400", driver: "pcieport", group });
}

/** Card and sound, nothing else. */
export function simple(card: Partial<FunctionSpec> = {}): Machine {
	return new Machine().pci({ ...NVIDIA, ...card }).pci(NVIDIA_AUDIO);
}

/** The NVMe disk of `NVME`, as namespace 1 with two partitions. */
export function withDisk(machine: Machine): Machine {
	const disk = `${machine.pci(NVME).place(NVME)}/nvme/nvme0/nvme0n1`;
	return machine.block(disk, "259:0").block(`${disk}/nvme0n1p1`, "259:1").block(`${disk}/nvme0n1p2`, "259:2");
}

/** Where the second partition of `withDisk` is. */
export function partition(machine: Machine): string {
	return `${machine.place(NVME)}/nvme/nvme0/nvme0n1/nvme0n1p2`;
}

/** Has some of the devices above. */
export const PCI_IDS_EXCERPT = `# Names.
1002  Advanced Micro Devices, Inc. [AMD/ATI]
	744c  Navi 31 [Radeon RX 7900 XT/7900 XTX]
		1eae 7901  RX-79XMERCB9 [SPEEDSTER MERC 310 RX 7900 XTX]
10de  NVIDIA Corporation
	1ad8  TU104 USB 3.1 Host Controller
	22ba  AD102 High Definition Audio Controller
	2684  AD102 [GeForce RTX 4090]
144d  Samsung Electronics Co Ltd
8086  Intel Corporation
	15f3  Ethernet Controller I225-V
	4680  AlderLake-S GT1
`;
