import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatAddress, isInside, parseAddress, parsePrefix } from "../../../src/filter/address.ts";
import { parseRule } from "../../../src/filter/rules.ts";

describe("addresses", () => {
	test("IPv6 in every way of writing", () => {
		const hex = (text: string) => Buffer.from(parseAddress(text) ?? []).toString("hex");
		expect(hex("::")).toBe("0".repeat(32));
		expect(hex("::1")).toBe(`${"0".repeat(31)}1`);
		expect(hex("2001:DB8::8:800:200c:417a")).toBe("20010db80000000000080800200c417a");
		expect(hex("::ffff:192.0.2.1")).toBe(`${"0".repeat(20)}ffffc0000201`);
		expect(hex("1:2:3:4:5:6:7:8")).toBe("00010002000300040005000600070008");
	});

	test.each([
		...["", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", "0x7f.0.0.1", "2130706433", "1.2.3.-4"],
		...[
			":",
			":::",
			"1::2::3",
			"1:2:3:4:5:6:7",
			"1:2:3:4:5:6:7:8:9",
			"1:2:3:4:5:6:7::8",
			"12345::",
			"fe80::1%eth0",
			"::1.2.3.4:5",
			"g::",
		],
	])("%p is none", (text) => {
		expect(parseAddress(text)).toBeNull();
	});

	test("round trip of any", () => {
		fc.assert(
			fc.property(
				fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 })),
				(bytes) => {
					expect(parseAddress(formatAddress(bytes))).toEqual(bytes);
				},
			),
		);
	});

	test("a prefix holds the addresses whose first bits are its own", () => {
		fc.assert(
			fc.property(
				fc.uint8Array({ minLength: 4, maxLength: 4 }),
				fc.uint8Array({ minLength: 4, maxLength: 4 }),
				fc.nat(32),
				(a, b, bits) => {
					const prefix = parsePrefix(`${formatAddress(a)}/${bits}`);
					const number = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString("hex")}`) >> BigInt(32 - bits);
					expect(prefix && isInside(prefix, b)).toBe(number(a) === number(b));
				},
			),
		);
	});
});

describe("rules", () => {
	test.each([
		["10.0.0.1", "10.0.0.1/32", null],
		["10.0.0.1:80", "10.0.0.1/32", 80],
		["10.1.2.3/8", "10.0.0.0/8", null],
		["10.0.0.0/8:443", "10.0.0.0/8", 443],
		["fd00::1", "fd00:0:0:0:0:0:0:1/128", null],
		["[fd00::1]:22", "fd00:0:0:0:0:0:0:1/128", 22],
		["[fd00::]", "fd00:0:0:0:0:0:0:0/128", null],
		["[fd00::/8]:22", "fd00:0:0:0:0:0:0:0/8", 22],
		["nas", "nas", null],
		["NAS.local:445", "nas.local", 445],
		["localhost:65535", "localhost", 65535],
	])("%s", (text, host, port) => {
		const rule = parseRule(text);
		const shown =
			typeof rule?.host === "string" ? rule.host : rule && `${formatAddress(rule.host.bytes)}/${rule.host.bits}`;
		expect([shown, rule?.port]).toEqual([host, port]);
	});

	test.each([
		"",
		":",
		":80",
		"a:",
		"a:0",
		"a:65536",
		"a:1e3",
		"a b",
		"http://a",
		"a/b",
		"10.0.0.0/33",
		"10.0.0/8",
		"[10.0.0.1]:80",
		"[fd00::1",
		"[a]:1",
		"-a",
		"1.2.3.4.5",
		"10.0.0.1:80:80",
		"fe80::1%eth0",
	])("%p is none", (text) => {
		expect(parseRule(text)).toBeNull();
	});
});
