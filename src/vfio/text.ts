/** Text from sysfs and from processes, made fit to be shown: it may hold anything, and any amount of it. */
import { printable } from "../errors.ts";

const CHARS_MAX = 80;

/** On one line, without control characters, at most 80 characters of it. */
export function shown(text: string): string {
	const whole = printable(text.slice(0, CHARS_MAX + 1).toWellFormed());
	return text.length > CHARS_MAX ? `${printable(text.slice(0, CHARS_MAX - 1).toWellFormed())}…` : whole;
}

/** `a`, `a and b`, `a, b and c`, `a, b, c and 4 more`: never more than `max` of them. */
export function listed(items: readonly string[], max = 5): string {
	if (items.length > max) return `${items.slice(0, max).join(", ")} and ${items.length - max} more`;
	if (items.length < 2) return items.join("");
	return `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}

/** A PCI class in a person's words. */
export function className(pciClass: string): string {
	return CLASSES[pciClass.slice(0, 4)] ?? BASE_CLASSES[pciClass.slice(0, 2)] ?? "device";
}

const CLASSES: Readonly<Record<string, string>> = {
	"0104": "RAID controller",
	"0106": "SATA controller",
	"0108": "NVMe disk",
	"0200": "Ethernet controller",
	"0300": "VGA controller",
	"0302": "3D controller",
	"0380": "display controller",
	"0403": "audio device",
	"0600": "host bridge",
	"0601": "ISA bridge",
	"0604": "PCI bridge",
	"0c03": "USB controller",
	"0c05": "SMBus",
	"0c80": "serial bus controller",
	"1080": "encryption controller",
};

const BASE_CLASSES: Readonly<Record<string, string>> = {
	"01": "storage controller",
	"02": "network controller",
	"03": "display controller",
	"04": "multimedia device",
	"05": "memory controller",
	"06": "bridge",
	"07": "communication controller",
	"08": "system peripheral",
	"0c": "serial bus controller",
	"12": "accelerator",
};
