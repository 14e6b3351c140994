/** Empty slots into which devices are plugged while the machine runs: a restored one gets its disks there. */
import type { MachinePlan } from "../machine-plan.ts";
import { keyval } from "./keyval.ts";

/** Bus names; part of the machine's shape, so that every snapshot has them. A bus holds one device. */
export const PORTS = ["port0", "port1", "port2", "port3"] as const;
export type Port = (typeof PORTS)[number];

/** One slot of the root complex, far from those that QEMU gives out by itself. */
const SLOT = "0x10";
/** Number of the first in the guest's list of slots; the passed-through card's is 1. */
const FIRST_CHASSIS = 10;

export function portsArgv(_plan: MachinePlan): string[] {
	return PORTS.flatMap((id, i) => [
		"-device",
		keyval("pcie-root-port", {
			id,
			chassis: FIRST_CHASSIS + i,
			addr: `${SLOT}.${i}`,
			multifunction: i === 0 ? true : undefined,
		}),
	]);
}
