/** Rules about the running kernel. */
import type { KernelFacts } from "./kernel.ts";
import { forceable, hard, type Obstacle } from "./obstacle.ts";
import { shown } from "./text.ts";

export function judgeKernel(kernel: KernelFacts): Obstacle[] {
	const found: Obstacle[] = [];
	const missing = [
		...(kernel.vfioPci === "missing" ? ["vfio-pci"] : []),
		...(kernel.vfioType1 === "missing" ? ["vfio_iommu_type1"] : []),
	];
	if (missing.length > 0) {
		const text = `the running kernel ${shown(kernel.release)} has no module ${missing.join(" and ")}`;
		const fix =
			"after an update of the kernel restart this system; else install the package with the kernel's other modules, or a kernel built with VFIO";
		found.push(hard("no-vfio-module", text, fix));
	}
	// Until the module is loaded a placeholder may stand there that is root's; udev opens it to all.
	if (kernel.vfioPci === "loaded" && kernel.container === "refused") {
		const fix = "as root: chmod 0666 /dev/vfio/vfio, as it is by default; it opens no device by itself";
		found.push(hard("vfio-container", "you may not open /dev/vfio/vfio", fix));
	}
	if (kernel.interruptRemapping === "off" && !kernel.unsafeInterrupts) {
		const text = "there is no interrupt remapping: a hostile guest could send the host interrupts and take it over";
		const fix =
			"switch it on in the firmware's setup (VT-d, IOMMU); for a guest that you trust, boot with vfio_iommu_type1.allow_unsafe_interrupts=1";
		found.push(forceable("no-interrupt-remapping", text, fix));
	}
	return found;
}
