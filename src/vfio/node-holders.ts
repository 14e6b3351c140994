/** Who still uses a group: QEMU has its node open for as long as it has any of the group's devices. */
import type { Files } from "./files.ts";
import { findHolders, type Holder } from "./holders.ts";
import { listed, shown } from "./text.ts";

/** Processes that have `node` open; root sees all of them. */
export function nodeHolders(files: Files, node: string): readonly Holder[] {
	const { byNode } = findHolders(files);
	// A node that was made anew while somebody has the old one open makes that one `(deleted)`.
	return [...(byNode.get(node) ?? []), ...(byNode.get(`${node} (deleted)`) ?? [])];
}

/** `qemu-system-x86 (process 4711)` */
export function holderNames(holders: readonly { readonly pid: number; readonly name: string }[]): string {
	return listed(holders.map(({ pid, name }) => `${shown(name)} (process ${pid})`));
}
