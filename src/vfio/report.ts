/** One card with all that a person wants to know before handing it over; `gpu list` and `gpu plan` show it. */
import { type Bdf, slotOf } from "./bdf.ts";
import { affectedFunctions, findFunction, isDisplay, type PciHost } from "./discover.ts";
import type { Holder } from "./holders.ts";
import type { PciNames } from "./ids.ts";
import { type Asker, judge, type Obstacle } from "./judge.ts";
import type { Connector, PciFunction } from "./pci-function.ts";

/** Looks up names of a vendor and its device. */
export type NameOf = (vendor: string, device: string) => PciNames;

/** `passed`: the guest gets it; `leaves`: its driver must let it go, and nobody has it; `stays`: a bridge. */
export type Fate = "passed" | "leaves" | "stays";

export interface NamedFunction {
	readonly address: Bdf;
	readonly class: string;
	readonly vendor: { readonly id: string; readonly name: string | null };
	readonly device: { readonly id: string; readonly name: string | null };
	readonly driver: string | null;
	readonly driverOverride: string | null;
}

export type Verdict = "can be passed" | "only with --force" | "cannot be passed";

/** What `gpu list --json` prints of each card. Strings are as the system has them: anything may be in them. */
export interface CardReport extends NamedFunction {
	readonly verdict: Verdict;
	readonly obstacles: readonly Obstacle[];
	readonly resetMethods: readonly string[];
	readonly bootVga: boolean;
	readonly physicalFunction: Bdf | null;
	readonly connectors: readonly Connector[];
	readonly holders: readonly Holder[];
	/** False: other users' processes could not be looked at. */
	readonly holdersComplete: boolean;
	readonly group: {
		readonly id: number;
		readonly node: string;
		/** This user may open the node. */
		readonly mayOpen: boolean;
		readonly members: readonly (NamedFunction & { readonly fate: Fate })[];
	} | null;
}

/** The cards in the order of their addresses. */
export function reportCards(host: PciHost, asker: Asker, nameOf: NameOf): CardReport[] {
	return host.functions.filter(isDisplay).map((card) => reportCard(host, card, asker, nameOf));
}

export function reportCard(host: PciHost, card: PciFunction, asker: Asker, nameOf: NameOf): CardReport {
	const obstacles = judge(host, card.bdf, asker);
	return {
		...named(card, nameOf),
		verdict: verdictOf(obstacles),
		obstacles,
		resetMethods: card.resetMethods,
		bootVga: card.bootVga,
		physicalFunction: card.physicalFunction,
		connectors: card.connectors,
		holders: host.holders.get(card.bdf) ?? [],
		holdersComplete: host.holdersComplete,
		group: reportGroup(host, card, nameOf),
	};
}

export function verdictOf(obstacles: readonly Obstacle[]): Verdict {
	if (obstacles.length === 0) return "can be passed";
	return obstacles.every(({ forceable }) => forceable) ? "only with --force" : "cannot be passed";
}

function reportGroup(host: PciHost, card: PciFunction, nameOf: NameOf): CardReport["group"] {
	const group = card.group === null ? undefined : host.groups.get(card.group);
	if (group === undefined) return null;
	const affected = affectedFunctions(host, group);
	const fateOf = (member: PciFunction): Fate => {
		if (!affected.includes(member)) return "stays";
		return slotOf(member.bdf) === slotOf(card.bdf) ? "passed" : "leaves";
	};
	const members = group.members.map((bdf) => findFunction(host, bdf)).filter((member) => member !== null);
	return {
		id: group.id,
		node: group.node,
		mayOpen: group.mayOpen,
		members: members.map((member) => ({ ...named(member, nameOf), fate: fateOf(member) })),
	};
}

function named({ bdf, class: pciClass, vendor, device, driver, driverOverride }: PciFunction, nameOf: NameOf) {
	const names = nameOf(vendor, device);
	return {
		address: bdf,
		class: pciClass,
		vendor: { id: vendor, name: names.vendor },
		device: { id: device, name: names.device },
		driver,
		driverOverride,
	};
}
