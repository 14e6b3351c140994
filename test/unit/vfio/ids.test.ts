import { expect, test } from "bun:test";
import fc from "fast-check";
import { findNames, hostPciIds } from "../../../src/vfio/ids.ts";
import { stripPciIds } from "../../../vm-assets/build/pci-ids.ts";
import { MemoryFiles } from "./memory-files.ts";
import { PCI_IDS_EXCERPT } from "./parts.ts";

const LIST = `#
#	List of PCI ID's

0001  SafeNet (wrong ID)
10de  NVIDIA Corporation
# A remark
	2684  AD102 [GeForce RTX 4090]
		10de 16f3  Founders Edition

	22ba  AD102 High Definition Audio Controller
1af4  Red Hat, Inc.
	1050  Virtio 1.0 GPU
C 03  Display controller
	00  VGA compatible controller
`;

test.each([
	["10de", "2684", "NVIDIA Corporation", "AD102 [GeForce RTX 4090]"],
	["10de", "22ba", "NVIDIA Corporation", "AD102 High Definition Audio Controller"],
	["10de", "1050", "NVIDIA Corporation", null],
	["0001", "0001", "SafeNet (wrong ID)", null],
	["1af4", "1050", "Red Hat, Inc.", "Virtio 1.0 GPU"],
	["ffff", "2684", null, null],
	["C 03", "0000", null, null],
	["", "", null, null],
	["10de", "16f3", "NVIDIA Corporation", null],
])("%s:%s", (vendor, device, vendorName, deviceName) => {
	const names = { vendor: vendorName, device: deviceName };
	expect(findNames(LIST, vendor, device)).toEqual(names);
	expect(findNames(stripPciIds(LIST), vendor, device)).toEqual(names);
	expect(findNames(LIST.replaceAll("\n", "\r\n"), vendor, device)).toEqual(names);
});

test("the embedded list keeps its head and has no subsystems, classes and remarks", () => {
	expect(stripPciIds(LIST)).toBe(`#
#	List of PCI ID's

0001  SafeNet (wrong ID)
10de  NVIDIA Corporation
	2684  AD102 [GeForce RTX 4090]
	22ba  AD102 High Definition Audio Controller
1af4  Red Hat, Inc.
	1050  Virtio 1.0 GPU
`);
});

test("the first list that the host has is taken", () => {
	const files = new MemoryFiles()
		.file("/usr/share/misc/pci.ids", "")
		.file("/usr/share/hwdata/pci.ids", PCI_IDS_EXCERPT);
	expect(hostPciIds(files)).toBe(PCI_IDS_EXCERPT);
	expect(hostPciIds(new MemoryFiles())).toBeNull();
});

test("a list that is none gives no names but those that are in it", () => {
	const id = fc.stringMatching(/^[0-9a-f]{4}$/);
	const line = fc.tuple(
		fc.constantFrom("", "\t", "\t\t", "#"),
		id,
		fc.constantFrom(" ", "  "),
		fc.string({ unit: "binary" }),
	);
	const lines = fc.array(line.map((parts) => parts.join(""))).map((all) => all.join("\n"));
	fc.assert(
		fc.property(fc.oneof(lines, fc.string({ unit: "binary" })), id, id, (text, vendor, device) => {
			const names = findNames(text, vendor, device);
			for (const name of [names.vendor, names.device]) if (name !== null) expect(text).toContain(name);
			for (const line of stripPciIds(text).split("\n")) expect(text).toContain(line);
		}),
	);
});

test("every vendor and device of a well-made list is found", () => {
	const id = fc.stringMatching(/^[0-9a-f]{4}$/);
	const name = fc.stringMatching(/^[A-Z][\w ,.[\]()-]{0,30}[\w)]$/);
	const list = fc.dictionary(id, fc.tuple(name, fc.dictionary(id, name)));
	fc.assert(
		fc.property(list, (vendors) => {
			const text = Object.entries(vendors)
				.flatMap(([vendor, [called, devices]]) => [
					`${vendor}  ${called}`,
					...Object.entries(devices).map(([device, word]) => `\t${device}  ${word}`),
				])
				.join("\n");
			for (const [vendor, [called, devices]] of Object.entries(vendors)) {
				for (const [device, word] of Object.entries(devices)) {
					expect(findNames(text, vendor, device)).toEqual({ vendor: called, device: word });
				}
			}
		}),
	);
});
