/** What the host does without while a guest has a card. */
import type { PciHost } from "./discover.ts";
import type { PciFunction } from "./pci-function.ts";
import { className, listed, shown } from "./text.ts";

/** One line a function that the host uses now. */
export function hostLosses(host: PciHost, affected: readonly PciFunction[]): string[] {
	return [...affected]
		.reverse()
		.filter(({ driver }) => driver !== null && driver !== "vfio-pci")
		.map((func) => `${func.bdf}, ${className(func.class)}: ${lossOf(host, func)}`);
}

function lossOf(host: PciHost, func: PciFunction): string {
	const parts: string[] = [];
	const uses = (host.uses.get(func.bdf) ?? []).map(({ kind, what }) => `${USE_WORDS[kind]} ${shown(what)}`);
	const nodes = func.nodes.filter((node) => /^\/dev\/(?:dri|fb|nvidia)/.test(node));
	const connected = func.connectors.filter(({ status }) => status === "connected").map(({ name }) => shown(name));
	if (connected.length > 0) parts.push(`the monitor on ${listed(connected)}`);
	if (nodes.length > 0) parts.push(listed(nodes));
	if (func.soundCards.length > 0) parts.push(`sound ${listed(func.soundCards)}`);
	const listeners = (host.holders.get(func.bdf) ?? []).filter(({ node }) => node.startsWith("/dev/snd/"));
	const names = [...new Set(listeners.map(({ name, pid }) => `${shown(name)} (process ${pid})`))];
	if (names.length > 0) parts.push(`which ${listed(names)} must let go of`);
	if (func.netInterfaces.length > 0) parts.push(`network ${listed(func.netInterfaces.map(shown))}`);
	if (func.usbDevices.length > 0) parts.push(`USB: ${listed(func.usbDevices.map(shown))}`);
	if (uses.length > 0) parts.push(listed(uses));
	return parts.length === 0 ? "nothing that is in use" : parts.join("; ");
}

const USE_WORDS = {
	root: "the root file system",
	mount: "the file system on",
	swap: "the swap space",
	route: "the way to the network by",
	keyboard: "the keyboard",
} as const;
