/** More made-up machines: kernels, permissions, displays in use, and trees that are broken or hostile. */
import { Machine } from "./machine.ts";
import { AMD, NVIDIA, NVIDIA_AUDIO, simple, withRootPort } from "./parts.ts";
import type { Scenario } from "./scenarios.ts";

const GIB = 1024 ** 3;
const BOUND = { driver: "vfio-pci", override: "vfio-pci", files: {} } as const;

/** Both functions at vfio-pci, as after a boot with vfio-pci.ids or driverctl. */
function bound(): Machine {
	return new Machine()
		.pci({
			bdf: NVIDIA.bdf,
			id: NVIDIA.id,
			class: NVIDIA.class,
			under: ["0000:00:01.0"],
			group: 13,
			reset: "bus",
			...BOUND,
		})
		.pci({
			bdf: NVIDIA_AUDIO.bdf,
			id: NVIDIA_AUDIO.id,
			class: NVIDIA_AUDIO.class,
			under: ["0000:00:01.0"],
			group: 13,
			...BOUND,
		});
}

export const HOST: Readonly<Record<string, Scenario>> = {
	"no-iommu": {
		make: () =>
			new Machine().pci({ bdf: NVIDIA.bdf, id: NVIDIA.id, class: NVIDIA.class, driver: "nouveau", reset: "bus" }),
		obstacles: ["no-iommu"],
	},
	"card-outside-iommu": {
		make: () => {
			const card = { bdf: NVIDIA.bdf, id: NVIDIA.id, class: NVIDIA.class, driver: "nouveau", reset: "bus" };
			return new Machine().pci(card).pci(AMD);
		},
		obstacles: ["no-iommu-group"],
	},
	"no-iommu-mode": {
		make: () => bound().file("/sys/kernel/iommu_groups/13/name", "vfio-noiommu\n").openable("/dev/vfio/noiommu-13"),
		obstacles: ["noiommu-mode"],
	},
	"no-vfio-module": { make: () => simple().modules("vfio_iommu_type1"), obstacles: ["no-vfio-module"] },
	"kernel-updated": {
		make: () => simple().remove("/lib/modules/6.12.48+deb13-amd64"),
		obstacles: ["no-vfio-module"],
	},
	"vfio-built-in": {
		make: () =>
			simple()
				.modules()
				.file(
					"/lib/modules/6.12.48+deb13-amd64/modules.builtin",
					"kernel/drivers/vfio/pci/vfio-pci.ko\nkernel/drivers/vfio/vfio_iommu_type1.ko\n",
				),
		obstacles: [],
	},
	"no-interrupt-remapping": {
		make: () => simple().file("/proc/interrupts", "            CPU0\n   0:         30  IO-APIC    2-edge      timer\n"),
		obstacles: ["no-interrupt-remapping"],
	},
	"unsafe-interrupts-allowed": {
		make: () =>
			simple()
				.file("/proc/interrupts", "            CPU0\n   0:         30  IO-APIC    2-edge      timer\n")
				.file("/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y\n"),
		obstacles: [],
	},
	arm64: {
		make: () =>
			simple()
				.file("/proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\n")
				.file("/proc/interrupts", "           CPU0\n 11:      1234     GICv3  30 Level     arch_timer\n"),
		obstacles: [],
	},
	"low-memlock": { make: () => simple(), asker: { memlockBytes: 8 * 1024 * 1024 }, obstacles: ["memlock"] },
	"low-memlock-root": { make: () => simple(), asker: { uid: 0, memlockBytes: 8 * 1024 * 1024 }, obstacles: [] },
	"memlock-just-enough": {
		make: () => simple(),
		asker: { memlockBytes: 4 * GIB + 256 * 1024 * 1024, guestMemoryBytes: 4 * GIB },
		obstacles: [],
	},
	"bound-and-yours": {
		make: () => bound().openable("/dev/vfio/13").folder("/sys/bus/pci/drivers/vfio-pci"),
		obstacles: [],
	},
	"bound-not-yours": { make: () => bound().file("/dev/vfio/13", ""), obstacles: [] },
	"half-bound": {
		make: () =>
			bound()
				.pci({ ...NVIDIA_AUDIO, bdf: "0000:01:00.2", soundCard: 3 })
				.openable("/dev/vfio/13"),
		obstacles: [],
	},
	"container-refused": {
		make: () => bound().openable("/dev/vfio/13").file("/dev/vfio/vfio", ""),
		obstacles: ["vfio-container"],
	},
	"container-placeholder": { make: () => simple().file("/dev/vfio/vfio", ""), obstacles: [] },
	"bound-and-in-use": {
		make: () => bound().openable("/dev/vfio/13").process(4242, "qemu-system-x86", "/dev/vfio/vfio", "/dev/vfio/13"),
		obstacles: ["vfio-user"],
	},
	"bound-and-in-use-iommufd": {
		make: () =>
			bound()
				.folder("/sys/bus/pci/devices/0000:01:00.0/vfio-dev/vfio0")
				.process(77, "CPU 0/KVM", "/dev/vfio/devices/vfio0"),
		obstacles: ["vfio-user"],
	},
	"boot-display": { make: () => simple({ bootVga: true }), obstacles: ["boot-display"] },
	"active-connector": {
		make: () =>
			simple({
				connectors: { "DP-1": "connected enabled", "DP-2": "connected enabled", "HDMI-A-1": "connected disabled" },
			}),
		obstacles: ["active-connector"],
	},
	"connected-but-disabled": {
		make: () => simple({ connectors: { "DP-1": "connected disabled", "DP-2": "unknown" } }),
		obstacles: [],
	},
	"held-by-xorg": {
		make: () =>
			simple({ bootVga: true, connectors: { "DP-1": "connected enabled" } })
				.process(812, "Xorg", "/dev/null", "/dev/dri/card1", "/dev/dri/card1", "/dev/dri/renderD129")
				.process(2001, "firefox", "/dev/dri/renderD129")
				.process(3000, "elsewhere", "/dev/dri/card0"),
		obstacles: ["boot-display", "active-connector", "held"],
	},
	"held-by-nvidia-persistenced": {
		make: () =>
			simple({ driver: "nvidia", card: 5 })
				.file("/proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t X\nDevice Minor: \t 3\n")
				.process(600, "nvidia-persiste", "/dev/nvidiactl", "/dev/nvidia3"),
		obstacles: ["held"],
	},
	"sound-held-by-pipewire": { make: () => simple().process(1500, "wireplumber", "/dev/snd/controlC1"), obstacles: [] },
	"held-by-framebuffer-console": {
		make: () => simple().folder("/sys/bus/pci/devices/0000:01:00.0/graphics/fb0").process(99, "plymouthd", "/dev/fb0"),
		obstacles: ["held"],
	},
	"others-not-to-be-seen": { make: () => simple().remove("/proc/1"), obstacles: [] },
	"no-reset": { make: () => new Machine().pci({ ...NVIDIA, reset: "" }), obstacles: ["no-reset"] },
	"reset-of-an-old-kernel": {
		make: () => {
			const { reset: _, ...old } = NVIDIA;
			return new Machine().pci({ ...old, files: { reset: "" } });
		},
		obstacles: [],
	},
	"override-of-somebody-else": { make: () => simple({ override: "pci-stub" }), obstacles: [] },
};

export const BROKEN: Readonly<Record<string, Scenario>> = {
	"unplugged-link-dangles": {
		make: () => {
			const machine = simple();
			return machine.remove(machine.place(NVIDIA));
		},
		obstacles: ["absent"],
	},
	"unplugged-attributes-vanish": {
		make: () => {
			const machine = simple();
			for (const name of ["vendor", "class", "driver", "iommu_group"])
				machine.remove(`${machine.place(NVIDIA)}/${name}`);
			return machine;
		},
		obstacles: ["absent"],
	},
	"unplugged-companion": {
		make: () => {
			const machine = simple();
			return machine.remove(`${machine.place(NVIDIA_AUDIO)}/class`);
		},
		obstacles: ["unreadable"],
	},
	"group-folder-vanishes": {
		make: () => withRootPort(simple()).remove("/sys/kernel/iommu_groups"),
		obstacles: [],
	},
	"links-in-circles": {
		make: () => {
			const machine = simple().symlink("/sys/bus/pci/devices/0000:0a:00.0", "0000:0b:00.0");
			machine.symlink("/sys/bus/pci/devices/0000:0b:00.0", "0000:0a:00.0");
			const dm = "/sys/devices/virtual/block/dm-0";
			machine.block(dm, "254:0").slave(dm, dm).mount("254:0", "/", "ext4", "/dev/mapper/loop");
			return machine.symlink(`${machine.place(NVIDIA)}/drm/card1/card1-DP-1/status`, "status");
		},
		obstacles: [],
	},
	"numbers-that-are-none": {
		make: () =>
			simple()
				.file("/sys/bus/pci/devices/0000:0c:00.0/vendor", "0xzzzz\n")
				.file("/sys/bus/pci/devices/0000:0d:00.0/class", "nothing\n")
				.folder("/sys/bus/pci/devices/not an address")
				.symlink("/sys/bus/pci/devices/0000:01:00.0/iommu_group", "../iommu_groups/-1")
				.symlink("/sys/bus/pci/devices/0000:01:00.1/iommu_group", "../iommu_groups/99999999999"),
		obstacles: ["no-iommu"],
	},
	"hostile-driver-name": {
		make: () => {
			const machine = simple({ override: "evil\u001b]0;title\u0007\nsecond line" });
			return machine.symlink(
				`${machine.place(NVIDIA)}/driver`,
				`../drivers/\u001b[31m\u202ered\u0000\n${"x".repeat(65_536)}`,
			);
		},
		obstacles: ["driver-name", "driver-name"],
	},
	"driver-name-of-dots": {
		make: () => {
			const machine = simple();
			return machine.symlink(`${machine.place(NVIDIA)}/driver`, "../../../bus/pci/drivers/..");
		},
		obstacles: ["driver-name"],
	},
	"hostile-names-around": {
		make: () => {
			const machine = simple({ connectors: { "DP-1": "connected enabled", "\u001b[2J": "connected enabled" } });
			machine.process(5, "X\u001b[1A\norg", "/dev/dri/card1", "/dev/dri/card1\u001b[0m");
			machine.process(6, "\u009b31mC1", "/dev/dri/../../etc/shadow", "/dev/dri/card1");
			machine.folder("/sys/kernel/iommu_groups/13/devices/..\n\u001b[31mforeign");
			machine.file(`${machine.place(NVIDIA)}/reset_method`, "flr \u001b[5m bus\n");
			return machine;
		},
		obstacles: ["foreign-member", "active-connector", "held"],
	},
};
