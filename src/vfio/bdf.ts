/** What an address of a PCI function tells about its place. The grammar itself is the configuration's. */
import { parsePciAddress } from "../config/pci-address.ts";

/** Canonical: lower case, with the domain, as in `/sys/bus/pci/devices`: `0000:01:00.0`. */
export type Bdf = string;

/** Accepts `01:00.0` and `0000:01:00.0` in any case; null for anything else. */
export const parseBdf: (text: string) => Bdf | null = parsePciAddress;

/** The name is an address exactly as the kernel writes it. */
export function isBdf(name: string): boolean {
	return parseBdf(name) === name;
}

/** `0000:01:00.1` -> `0000:01:00`: functions that share it sit on one card. */
export function slotOf(bdf: Bdf): string {
	return bdf.slice(0, bdf.lastIndexOf("."));
}

/** By domain, bus, device and function, for sort(). */
export function compareBdf(a: Bdf, b: Bdf): number {
	return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

/** The PCI functions that a path in `/sys/devices` leads through, outermost first. */
export function bdfsInPath(path: string): Bdf[] {
	return path.split("/").filter(isBdf);
}
