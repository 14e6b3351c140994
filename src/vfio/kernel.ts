/** What the running kernel has for VFIO: its modules, and whether interrupts are kept apart. */
import type { Files } from "./files.ts";

/** `loadable`: modprobe will find it. */
export type ModuleState = "loaded" | "loadable" | "missing";

export interface KernelFacts {
	/** `uname -r`. */
	readonly release: string;
	readonly vfioPci: ModuleState;
	readonly vfioType1: ModuleState;
	/** A device cannot send interrupts that it was not given; `exempt`: this architecture does it otherwise. */
	readonly interruptRemapping: "on" | "off" | "exempt";
	/** vfio_iommu_type1 was told to do without interrupt remapping. */
	readonly unsafeInterrupts: boolean;
	/** `/dev/vfio/vfio`, which is everybody's unless somebody has changed that. */
	readonly container: "absent" | "usable" | "refused";
}

const CONTAINER = "/dev/vfio/vfio";

export function readKernel(files: Files): KernelFacts {
	const release = files.read("/proc/sys/kernel/osrelease")?.trim() ?? "";
	const known = knownModules(files, release);
	const driver = files.list("/sys/bus/pci/drivers/vfio-pci") !== null;
	return {
		release,
		vfioPci: driver ? "loaded" : moduleState(files, known, "vfio-pci"),
		vfioType1: moduleState(files, known, "vfio_iommu_type1"),
		interruptRemapping: readRemapping(files),
		unsafeInterrupts:
			files.read("/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts")?.trim().toUpperCase() === "Y",
		container: files.real(CONTAINER) === null ? "absent" : files.mayOpen(CONTAINER) ? "usable" : "refused",
	};
}

interface KnownModules {
	readonly builtin: string;
	readonly loadable: string;
}

function knownModules(files: Files, release: string): KnownModules {
	if (!/^[\w.+~-]{1,64}$/.test(release)) return { builtin: "", loadable: "" };
	// NixOS has its modules elsewhere.
	for (const place of ["/lib/modules", "/usr/lib/modules", "/run/booted-system/kernel-modules/lib/modules"]) {
		const loadable = files.read(`${place}/${release}/modules.dep`);
		const builtin = files.read(`${place}/${release}/modules.builtin`);
		if (loadable !== null || builtin !== null) return { loadable: loadable ?? "", builtin: builtin ?? "" };
	}
	return { builtin: "", loadable: "" };
}

function moduleState(files: Files, known: KnownModules, name: string): ModuleState {
	if (files.list(`/sys/module/${name.replaceAll("-", "_")}`) !== null) return "loaded";
	const file = new RegExp(`^[^:]*/${name}\\.ko(?:\\.\\w+)?(?::|$)`, "m");
	if (file.test(known.builtin)) return "loaded";
	return file.test(known.loadable) ? "loadable" : "missing";
}

function readRemapping(files: Files): KernelFacts["interruptRemapping"] {
	const interrupts = files.read("/proc/interrupts") ?? "";
	// The interrupt controllers of Arm keep devices apart by themselves.
	if (/^CPU implementer\s*:/m.test(files.read("/proc/cpuinfo") ?? "") || /\sGIC/.test(interrupts)) return "exempt";
	return /\sIR-/.test(interrupts) ? "on" : "off";
}
