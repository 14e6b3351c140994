/** PCI addresses as Linux writes them: `domain:bus:device.function`, in hexadecimal. */

/** Canonical: lower case, with the domain, as in `/sys/bus/pci/devices`: `0000:01:00.0`. */
export type Bdf = string;

// Domains above ffff exist: Intel's VMD makes its own from 10000 on.
const BDF = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([01][0-9a-f])\.([0-7])$/;

/** Accepts `01:00.0` and `0000:01:00.0` in any case; null for anything else. */
export function parseBdf(text: string): Bdf | null {
	const match = BDF.exec(text.toLowerCase());
	if (!match) return null;
	const [, domain = "0", bus, device, func] = match;
	return `${Number.parseInt(domain, 16).toString(16).padStart(4, "0")}:${bus}:${device}.${func}`;
}

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
