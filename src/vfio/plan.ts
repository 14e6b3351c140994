/** What is to be done to hand a card over, in order; `judge` has to agree before any of it is. */
import { type Bdf, compareBdf, slotOf } from "./bdf.ts";
import { affectedFunctions, findFunction, type IommuGroup, type PciHost } from "./discover.ts";
import { hostLosses } from "./losses.ts";
import type { PciFunction } from "./pci-function.ts";

export const VFIO_PCI = "vfio-pci";

export interface PlannedFunction {
	readonly bdf: Bdf;
	/** What it goes back to; null: none. */
	readonly driver: string | null;
	readonly driverOverride: string | null;
	/** The guest gets it; else it only has to leave its driver. */
	readonly passed: boolean;
}

export type Step =
	| { readonly op: "load-module"; readonly module: string }
	| { readonly op: "journal" }
	| { readonly op: "override"; readonly bdf: Bdf; readonly value: string }
	| { readonly op: "unbind"; readonly bdf: Bdf; readonly driver: string }
	| { readonly op: "probe"; readonly bdf: Bdf }
	| { readonly op: "give-node"; readonly path: string; readonly uid: number };

export interface PassthroughPlan {
	readonly gpu: Bdf;
	readonly group: number;
	/** `/dev/vfio/7`. */
	readonly node: string;
	/** In the order in which they are bound; they are given back the other way round. */
	readonly functions: readonly PlannedFunction[];
	/** In the order of their addresses. */
	readonly passed: readonly Bdf[];
	/** All is done already and this user may open the node: no root, no journal, nothing to give back. */
	readonly prebound: boolean;
	/** Empty if prebound; else they need root. */
	readonly steps: readonly Step[];
	/** What the host does without meanwhile; fit to be shown. */
	readonly losses: readonly string[];
}

/** The plan for user `uid`. @throws Error for a card that has no IOMMU group; `judge` refuses those. */
export function planPassthrough(host: PciHost, gpu: Bdf, uid: number): PassthroughPlan {
	const card = findFunction(host, gpu);
	const group = card?.group == null ? undefined : host.groups.get(card.group);
	if (group === undefined) throw new Error(`${gpu} has no IOMMU group`);
	// A card's companions first: its sound part leans on its driver.
	const affected = [...affectedFunctions(host, group)].sort((a, b) => compareBdf(b.bdf, a.bdf));
	const passed = affected.map(({ bdf }) => bdf).filter((bdf) => slotOf(bdf) === slotOf(gpu));
	const prebound = group.mayOpen && affected.every(isBound);
	return {
		gpu,
		group: group.id,
		node: group.node,
		functions: affected.map(({ bdf, driver, driverOverride }) => ({
			bdf,
			driver,
			driverOverride,
			passed: passed.includes(bdf),
		})),
		passed: passed.sort(compareBdf),
		prebound,
		steps: prebound ? [] : planSteps(host, group, affected, uid),
		losses: hostLosses(host, affected),
	};
}

function isBound({ driver }: PciFunction): boolean {
	return driver === VFIO_PCI;
}

function planSteps(host: PciHost, group: IommuGroup, affected: readonly PciFunction[], uid: number): Step[] {
	const steps: Step[] = [];
	if (host.kernel.vfioPci !== "loaded") steps.push({ op: "load-module", module: VFIO_PCI });
	if (host.kernel.vfioType1 !== "loaded") steps.push({ op: "load-module", module: "vfio_iommu_type1" });
	steps.push({ op: "journal" });
	for (const { bdf, driver } of affected) {
		if (driver === VFIO_PCI) continue;
		steps.push({ op: "override", bdf, value: VFIO_PCI });
		if (driver !== null) steps.push({ op: "unbind", bdf, driver });
		steps.push({ op: "probe", bdf });
	}
	if (uid !== 0) steps.push({ op: "give-node", path: group.node, uid });
	return steps;
}
