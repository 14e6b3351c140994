/** Names of PCI vendors and devices: the host's list, which is the newest, or the one that this program carries. */
import type { Files } from "./files.ts";

/** Where distributions put it. */
const PLACES = ["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids", "/usr/share/pci.ids"];

export interface PciNames {
	readonly vendor: string | null;
	readonly device: string | null;
}

/** The host's list; null if it has none. */
export function hostPciIds(files: Files): string | null {
	for (const place of PLACES) {
		const text = files.read(place);
		if (text !== null && text !== "") return text;
	}
	return null;
}

/** Names of `vendor` and `device` (four lower-case hexadecimal digits each) in a list in the format of pci.ids(5). */
export function findNames(list: string, vendor: string, device: string): PciNames {
	const text = `\n${list}`;
	const start = text.indexOf(`\n${vendor}  `);
	if (!/^[0-9a-f]{4}$/.test(vendor) || start < 0) return { vendor: null, device: null };
	const end = endOfVendor(text, start + 1);
	const section = text.slice(start, end);
	return {
		vendor: nameIn(section, vendor),
		device: /^[0-9a-f]{4}$/.test(device) ? nameIn(section, `\t${device}`) : null,
	};
}

/** The next line that is neither a device nor a remark. */
function endOfVendor(text: string, from: number): number {
	for (let at = text.indexOf("\n", from); at >= 0; at = text.indexOf("\n", at + 1)) {
		const next = text[at + 1];
		if (next !== undefined && !"\t#\r\n".includes(next)) return at;
	}
	return text.length;
}

function nameIn(section: string, id: string): string | null {
	const at = section.indexOf(`\n${id}  `);
	if (at < 0) return null;
	const from = at + id.length + 3;
	const end = section.indexOf("\n", from);
	return section.slice(from, end < 0 ? undefined : end).trim() || null;
}
