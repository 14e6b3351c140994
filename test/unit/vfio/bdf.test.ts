import { expect, test } from "bun:test";
import fc from "fast-check";
import { bdfsInPath, compareBdf, isBdf, parseBdf, slotOf } from "../../../src/vfio/bdf.ts";

test.each([
	["01:00.0", "0000:01:00.0"],
	["0000:01:00.0", "0000:01:00.0"],
	["0000:0A:1F.7", "0000:0a:1f.7"],
	["10000:e1:00.0", "10000:e1:00.0"],
	["00000000:01:00.0", "0000:01:00.0"],
	["00010000:E1:00.0", "10000:e1:00.0"],
	["", null],
	["1:00.0", null],
	["01:00", null],
	["01:20.0", null],
	["01:00.8", null],
	["000:01:00.0", null],
	["123456789:01:00.0", null],
	["0000:01:00.0\n", null],
	[" 0000:01:00.0", null],
	["../../0000:01:00.0", null],
	["0000:01:00.0/..", null],
	["٠١:00.0", null],
])("%j is %p", (text, bdf) => {
	expect(parseBdf(text)).toBe(bdf);
});

const address = fc.tuple(fc.nat(0xffffffff), fc.nat(255), fc.nat(31), fc.nat(7)).map(([domain, bus, device, func]) => {
	const hex = (number: number, digits: number) => number.toString(16).padStart(digits, "0");
	return `${hex(domain, 4)}:${hex(bus, 2)}:${hex(device, 2)}.${func}`;
});

test("every address is its own canonical form, in any case", () => {
	fc.assert(
		fc.property(address, (bdf) => {
			expect(isBdf(bdf)).toBe(true);
			expect(parseBdf(bdf.toUpperCase())).toBe(bdf);
			expect(bdf.startsWith(slotOf(bdf))).toBe(true);
			expect(bdfsInPath(`/sys/devices/pci0000:00/0000:00:01.0/${bdf}/drm/card0`).at(-1)).toBe(bdf);
		}),
	);
});

test("anything else is null or an address", () => {
	fc.assert(
		fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^[0-9a-fA-F:.]{0,16}$/)), (text) => {
			const bdf = parseBdf(text);
			if (bdf !== null) expect(bdf).toMatch(/^[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/);
		}),
	);
});

test("they are sorted by domain, bus, device, function", () => {
	const sorted = ["0000:00:02.0", "0000:01:00.0", "0000:01:00.1", "0000:0a:00.0", "ffff:00:00.0", "10000:00:00.0"];
	expect([...sorted].reverse().sort(compareBdf)).toEqual(sorted);
});
