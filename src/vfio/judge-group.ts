/** Rules about the IOMMU group: all of it goes to VFIO, or none. */
import { type Bdf, slotOf } from "./bdf.ts";
import { findFunction, type IommuGroup, type PciHost, staysBehind } from "./discover.ts";
import { forceable, hard, type Obstacle } from "./obstacle.ts";
import type { PciFunction } from "./pci-function.ts";
import { className, listed, shown } from "./text.ts";

const MOVE =
	"put the card into another slot (those of the processor have groups of their own), or switch on ACS in the firmware's setup";

export function judgeGroup(host: PciHost, group: IommuGroup, slot: string): Obstacle[] {
	const found: Obstacle[] = [];
	const members = group.members.map((bdf) => ({ bdf, func: findFunction(host, bdf) }));
	const gone = members.filter(({ func }) => func === null).map(({ bdf }) => bdf);
	if (gone.length > 0) {
		const text = `${listed(gone)} of IOMMU group ${group.id} cannot be read`;
		found.push(hard("unreadable", text, "look again: it may have been unplugged just now"));
	}
	if (group.others.length > 0) {
		const text = `IOMMU group ${group.id} holds what is no PCI device: ${listed(group.others.map(shown))}`;
		found.push(hard("foreign-member", text, "such a group cannot be passed"));
	}
	if (group.holders.length > 0) {
		const users = group.holders.map(({ name, pid }) => `${shown(name)} (process ${pid})`);
		const text = `IOMMU group ${group.id} is in use by ${listed([...new Set(users)])}`;
		found.push(hard("vfio-user", text, "end it: a card has one user at a time"));
	}
	const functions = members.map(({ func }) => func).filter((func) => func !== null);
	const chipset = functions.filter((func) => isChipset(func, slot));
	if (chipset.length > 0) {
		const names = chipset.map((func) => `${func.bdf} (${className(func.class)})`);
		const text = `IOMMU group ${group.id} holds parts of the chipset, which the host cannot do without: ${listed(names)}`;
		found.push(hard("chipset", text, MOVE));
	}
	if (group.firmwareMemory) {
		const text = `the firmware keeps memory for a device of IOMMU group ${group.id} (RMRR); most kernels refuse to pass such a group`;
		found.push(forceable("firmware-memory", text, "update the firmware, or switch off what it does with this device"));
	}
	found.push(...functions.flatMap(judgeMember));
	return found;
}

function judgeMember(func: PciFunction): Obstacle[] {
	const found: Obstacle[] = [];
	if (func.driver !== null && !staysBehind(func) && !isDriverName(func.driver)) {
		const text = `the driver of ${func.bdf} has a name that no driver has: ${shown(func.driver)}`;
		found.push(hard("driver-name", text, "look again; if it stays, restart this system"));
	}
	if (func.driverOverride !== null && !isDriverName(func.driverOverride)) {
		const text = `driver_override of ${func.bdf} cannot be put back as it is: ${shown(func.driverOverride)}`;
		found.push(hard("driver-name", text, "clear it as root: echo > /sys/bus/pci/devices/ADDRESS/driver_override"));
	}
	if (func.virtualFunctions > 0) {
		const text = `${func.bdf} has virtual functions (SR-IOV, ${func.virtualFunctions} of them), which vanish with it`;
		found.push(forceable("virtual-functions", text, "pass one of them instead, or write 0 to its sriov_numvfs"));
	}
	return found;
}

/** Names that can be written to sysfs and put into a path. */
export function isDriverName(name: string): boolean {
	return /^[\w.+ -]{1,64}$/.test(name) && name !== "." && name !== "..";
}

/** Functions that belong to the board. What sits in the card's own slot came with the card. */
function isChipset(func: PciFunction, slot: string): boolean {
	const kind = func.class.slice(0, 4);
	if (kind === "0600") return func.driver !== null;
	if (kind === "0601" || kind === "0c05") return true;
	if (slotOf(func.bdf as Bdf) === slot || func.upstream.length > 0) return false;
	return kind === "0680" || kind === "0c80" || ["05", "07", "08", "10", "11"].includes(kind.slice(0, 2));
}
