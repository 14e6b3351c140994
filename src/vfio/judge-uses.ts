/** Rules about what else would be taken from the host with the card's group. */
import type { PciHost } from "./discover.ts";
import { forceable, hard, type Obstacle } from "./obstacle.ts";
import type { PciFunction } from "./pci-function.ts";
import { listed, shown } from "./text.ts";
import type { Use } from "./uses.ts";

const ELSEWHERE = "put the card into another slot, so that it gets a group of its own";

export function judgeUses(host: PciHost, affected: readonly PciFunction[]): Obstacle[] {
	const found: Obstacle[] = [];
	for (const { bdf, class: pciClass } of affected) {
		const uses = host.uses.get(bdf) ?? [];
		const of = (kind: Use["kind"]) => uses.filter((use) => use.kind === kind).map(({ what }) => shown(what));
		const [mounts, swaps, routes, keyboards] = [of("mount"), of("swap"), of("route"), of("keyboard")];
		if (of("root").length > 0) {
			found.push(hard("root-disk", `the disk with this system's root lies behind ${bdf}`, ELSEWHERE));
		}
		if (mounts.length > 0) {
			const text = `disks behind ${bdf} are mounted on ${listed(mounts)}`;
			found.push(forceable("mounted-disk", text, `unmount them, or ${ELSEWHERE}`));
		}
		if (swaps.length > 0) {
			const text = `swap space lies behind ${bdf}: ${listed(swaps)}`;
			found.push(forceable("swap", text, `swapoff it, or ${ELSEWHERE}`));
		}
		if (routes.length > 0) {
			const text = `the way to the network leads through ${bdf} (${listed(routes)})`;
			found.push(forceable("default-route", text, `connect by another network card, or ${ELSEWHERE}`));
		}
		if (keyboards.length > 0) {
			const text = `a keyboard hangs on ${bdf}: ${listed(keyboards)}`;
			found.push(forceable("keyboard", text, "plug it into a port of another USB controller"));
		}
		if (pciClass.startsWith("01") && uses.length === 0 && host.zfsMounts.length > 0) found.push(zfs(host, bdf));
	}
	return found;
}

function zfs(host: PciHost, bdf: string): Obstacle {
	const text = `${bdf} may hold disks of the ZFS pool that is mounted on ${listed(host.zfsMounts.map(shown))}`;
	const fix = "zpool status tells; if it is none of the pool's, use --force";
	return host.zfsMounts.includes("/") ? hard("root-disk", text, ELSEWHERE) : forceable("mounted-disk", text, fix);
}
