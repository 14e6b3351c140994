/** PCI addresses as Linux writes them: `domain:bus:device.function`, in hexadecimal. */

/** Canonical: lower case, with the domain, as in `/sys/bus/pci/devices`: `0000:01:00.0`. */
export type PciAddress = `${string}:${string}.${string}`;

// Domains above ffff exist: Intel's VMD makes its own from 10000 on.
const ADDRESS = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([01][0-9a-f])\.([0-7])$/;

/** Accepts `01:00.0` and `0000:01:00.0` in any case; null for anything else. */
export function parsePciAddress(text: string): PciAddress | null {
	const match = ADDRESS.exec(text.toLowerCase());
	if (!match) return null;
	const [, domain = "0", bus, device, func] = match;
	return `${Number.parseInt(domain, 16).toString(16).padStart(4, "0")}:${bus}:${device}.${func}`;
}
