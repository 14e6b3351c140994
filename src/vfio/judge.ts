/**
 * The rules: may this card be handed to a guest, and if not, why not and what helps.
 *
 * All obstacles are named at once. Whoever judges can see only as much as his rights allow, so the root half asks again.
 */
import { type Bdf, slotOf } from "./bdf.ts";
import { affectedFunctions, findFunction, type IommuGroup, isDisplay, type PciHost } from "./discover.ts";
import { judgeGroup } from "./judge-group.ts";
import { judgeKernel } from "./judge-kernel.ts";
import { judgeUses } from "./judge-uses.ts";
import { type Asker, forceable, hard, type Obstacle } from "./obstacle.ts";
import type { PciFunction } from "./pci-function.ts";
import { className, listed, shown } from "./text.ts";

export type { Asker, Obstacle } from "./obstacle.ts";

/** Locked beside the guest's memory: video memory, firmware, and what the kernel counts. */
const MEMLOCK_MARGIN_BYTES = 256 * 1024 * 1024;
const MIB = 1024 * 1024;

/** Empty: it can be passed. Obstacles that nothing overrides come first. */
export function judge(host: PciHost, gpu: Bdf, asker: Asker): readonly Obstacle[] {
	const card = findFunction(host, gpu);
	if (card === null) {
		const fix = "virtualghost gpu list shows what there is; a card behind a sleeping slot may need a restart";
		return [hard("absent", `there is no PCI device ${shown(gpu)}`, fix)];
	}
	if (!isDisplay(card)) {
		const text = `${gpu} is no display controller but ${withArticle(className(card.class))} (class ${card.class})`;
		return [hard("not-display", text, "virtualghost gpu list shows the display controllers")];
	}
	const group = card.group === null ? undefined : host.groups.get(card.group);
	const found = [...judgeIommu(host, card, group), ...judgeKernel(host.kernel), ...judgeMemlock(asker)];
	// Without a group the card alone is looked at, so that nothing is left to be found out later.
	const affected = group === undefined ? [card] : affectedFunctions(host, group);
	if (group !== undefined) found.push(...judgeGroup(host, group, slotOf(gpu)));
	found.push(...judgeDisplays(affected), ...judgeHolders(host, affected), ...judgeUses(host, affected));
	found.push(...judgeReset(card));
	return [...found.filter((each) => !each.forceable), ...found.filter((each) => each.forceable)];
}

/** Limit of locked memory of the process that `limits` (proc_pid_limits(5)) is of; null: no limit. */
export function lockedMemoryLimit(limits: string): number | null {
	const match = /^Max locked memory\s+(\d+|unlimited)\s/m.exec(limits);
	return match?.[1] === undefined || match[1] === "unlimited" ? null : Number(match[1]);
}

function withArticle(name: string): string {
	return `${/^[aeioEIAO]|^SM|^NVM|^S[A-Z]/.test(name) ? "an" : "a"} ${name}`;
}

function judgeIommu(host: PciHost, card: PciFunction, group: IommuGroup | undefined): Obstacle[] {
	if (group?.noIommu) {
		const fix = "take enable_unsafe_noiommu_mode of the module vfio back and switch the IOMMU on";
		return [hard("noiommu-mode", "VFIO works without an IOMMU here: the guest could write to all memory", fix)];
	}
	if (group !== undefined) return [];
	if (host.iommu) {
		const fix = "another slot may be behind the IOMMU; else update the firmware";
		return [hard("no-iommu-group", `the IOMMU does not cover ${card.bdf}: it is in no IOMMU group`, fix)];
	}
	const fix =
		"switch on VT-d (Intel) or AMD-Vi, also called IOMMU (AMD), in the firmware's setup; on Intel boot with intel_iommu=on, too";
	return [hard("no-iommu", "no IOMMU is at work, so nothing would keep the guest out of the host's memory", fix)];
}

function judgeMemlock({ uid, memlockBytes, guestMemoryBytes }: Asker): Obstacle[] {
	if (uid === 0 || memlockBytes === null || guestMemoryBytes === null) return [];
	const needed = guestMemoryBytes + MEMLOCK_MARGIN_BYTES;
	if (memlockBytes >= needed) return [];
	const [has, needs] = [Math.floor(memlockBytes / MIB), Math.ceil(needed / MIB)];
	const text = `you may lock ${has} MiB of memory; a passed card needs the guest's memory locked, ${needs} MiB in all`;
	const fix = `as root write "* - memlock ${needs * 1024}" to /etc/security/limits.d/90-vfio.conf and log in again, or give the guest less with --memory`;
	return [hard("memlock", text, fix)];
}

function judgeDisplays(affected: readonly PciFunction[]): Obstacle[] {
	const found: Obstacle[] = [];
	for (const { bdf, bootVga, connectors } of affected) {
		if (bootVga) {
			const fix =
				"make another card the first one in the firmware's setup, or reach this system by SSH and use --force";
			found.push(forceable("boot-display", `${bdf} is the display that this system started on`, fix));
		}
		const active = connectors.filter(({ status, enabled }) => status === "connected" && enabled);
		if (active.length === 0) continue;
		const text = `${bdf} shows a picture on ${listed(active.map(({ name }) => shown(name)))}`;
		found.push(forceable("active-connector", text, "plug the monitor into another card, or switch this output off"));
	}
	return found;
}

function judgeHolders(host: PciHost, affected: readonly PciFunction[]): Obstacle[] {
	const found: Obstacle[] = [];
	for (const { bdf } of affected) {
		// Sound servers let go when a sound card leaves; programs that draw do not.
		const holders = (host.holders.get(bdf) ?? []).filter(({ node }) => !node.startsWith("/dev/snd/"));
		const users = holders.filter(({ node }) => node.startsWith("/dev/vfio/"));
		if (users.length > 0) found.push(hard("vfio-user", heldBy(bdf, users), "end it: a card has one user at a time"));
		const drawing = holders.filter((each) => !users.includes(each));
		if (drawing.length === 0) continue;
		const fix = "close it, or for a desktop start it on another card only (its session ends with --force)";
		found.push(forceable("held", heldBy(bdf, drawing), fix));
	}
	return found;
}

function heldBy(bdf: Bdf, holders: PciHost["holders"] extends ReadonlyMap<Bdf, infer H> ? H : never): string {
	const names = [...new Set(holders.map(({ name, pid }) => `${shown(name)} (process ${pid})`))];
	return `${bdf} is in use by ${listed(names)}`;
}

function judgeReset(card: PciFunction): Obstacle[] {
	if (card.resetMethods.length > 0) return [];
	const text = `${card.bdf} cannot be reset: after the guest it may work again only when this system is restarted`;
	return [forceable("no-reset", text, "nothing helps but another card; --force if a restart is no trouble")];
}
