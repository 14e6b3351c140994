/** Which processes have device nodes open. */
import type { Files } from "./files.ts";

export interface Holder {
	readonly pid: number;
	/** The kernel's 15 letters of its name. */
	readonly name: string;
	readonly node: string;
}

export interface Holders {
	/** Node -> who has it open. */
	readonly byNode: ReadonlyMap<string, readonly Holder[]>;
	/** False where other users' processes keep their secrets from us: then somebody else may hold a node, too. */
	readonly complete: boolean;
}

const NODES = /^\/dev\/(?:dri\/|snd\/|vfio\/|fb\d|nvidia\d)/;

/** Looks through the open files of all processes that this user may look at. */
export function findHolders(files: Files): Holders {
	const byNode = new Map<string, Holder[]>();
	for (const pid of files.list("/proc") ?? []) {
		if (!/^\d{1,10}$/.test(pid)) continue;
		const nodes = new Set<string>();
		for (const fd of files.list(`/proc/${pid}/fd`) ?? []) {
			const target = files.link(`/proc/${pid}/fd/${fd}`);
			if (target !== null && NODES.test(target)) nodes.add(target);
		}
		if (nodes.size === 0) continue;
		const name = files.read(`/proc/${pid}/comm`)?.replace(/\n$/, "") ?? "?";
		for (const node of nodes) byNode.set(node, [...(byNode.get(node) ?? []), { pid: Number(pid), name, node }]);
	}
	for (const holders of byNode.values()) holders.sort((a, b) => a.pid - b.pid);
	// The first process is root's: who may see its files may see all.
	return { byNode, complete: files.list("/proc/1/fd") !== null };
}
