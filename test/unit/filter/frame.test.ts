/** The packet filter: tables of what passes, and properties over random frames. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isInside, parsePrefix } from "../../../src/filter/address.ts";
import { judgeFrame, type Policy } from "../../../src/filter/frame.ts";
import { LINK } from "../../../src/filter/link.ts";
import { parseRule, type Rule } from "../../../src/filter/rules.ts";
import { bytesOf, dnsQuery, ECHO, ECHO6, frame, ipv4, ipv6, tcp, udp } from "./packets.ts";

const TCP = 6;
const UDP = 17;

function rule(action: Rule["action"], text: string): Rule {
	const parsed = parseRule(text);
	if (parsed === null || typeof parsed.host === "string") throw new Error(text);
	return { action, prefix: parsed.host, port: parsed.port };
}

function prefixOf(text: string) {
	const prefix = parsePrefix(text);
	if (prefix === null) throw new Error(text);
	return prefix;
}

const internet: Policy = { mode: "internet", rules: [], loopback: [], own: [] };
const host: Policy = { ...internet, mode: "host" };
const judge = (policy: Policy, bytes: Uint8Array) => judgeFrame(policy, bytes, 0, bytes.length);
const toTcp = (policy: Policy, address: string, port = 80) =>
	judge(policy, address.includes(":") ? ipv6(address, TCP, tcp(port)) : ipv4(address, TCP, tcp(port)));

const PUBLIC = [
	"1.1.1.1",
	"8.8.8.8",
	"93.184.216.34",
	"11.0.0.1",
	"172.15.0.1",
	"172.32.0.1",
	"192.169.0.1",
	"223.255.255.254",
];
const PUBLIC6 = ["2606:4700:4700::1111", "2a00:1450:4001::8", "64:ff9b::8.8.8.8"];
const LOCAL = [
	...["10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.254"],
	...[
		"169.254.169.254",
		"169.254.0.1",
		"192.0.0.192",
		"192.0.2.1",
		"198.18.0.1",
		"198.51.100.1",
		"203.0.113.1",
		"240.0.0.1",
	],
	...["168.63.129.16", "10.0.2.2", "10.0.2.1", "192.88.99.1"],
];
const LOCAL6 = [
	...["fd00::1", "fc00::1", "fec0::1", "2002:7f00:1::", "2002:c0a8:101::1", "2001:0:1::1", "2001:db8::1", "3fff::1"],
	...[
		"64:ff9b::127.0.0.1",
		"64:ff9b::10.0.0.1",
		"64:ff9b:1::1",
		"100::1",
		"5f00::1",
		"fd76:6768:6f73::2",
		"fd00:ec2::254",
		"4000::1",
	],
];
const NEVER = ["0.0.0.0", "0.1.2.3", "127.0.0.1", "127.8.8.8", "224.0.0.251", "239.255.255.250", "255.255.255.255"];
const NEVER6 = ["::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "fe80::1", "ff02::fb", "ff0e::1"];

describe("internet", () => {
	test.each([...PUBLIC, ...PUBLIC6])("%s passes", (address) => {
		expect(toTcp(internet, address)).toBe("pass");
	});

	test.each([...LOCAL, ...LOCAL6])("%s is refused", (address) => {
		expect(toTcp(internet, address)).toBe("refuse");
	});

	test.each([...NEVER, ...NEVER6])("%s is dropped, whatever the mode and the rules", (address) => {
		const everything = { ...host, rules: [rule("allow", "0.0.0.0/0"), rule("allow", "::/0")] };
		expect([internet, host, everything].map((policy) => toTcp(policy, address))).toEqual(["drop", "drop", "drop"]);
	});

	test("the host's own public addresses, and the networks of its cards, are refused", () => {
		const own = ["198.41.0.0/24", "2600:1f18::/64", "9.9.9.9"].map(prefixOf);
		const policy = { ...internet, own };
		for (const address of ["198.41.0.4", "9.9.9.9", "2600:1f18::7"]) expect(toTcp(policy, address)).toBe("refuse");
		for (const address of ["198.41.1.4", "9.9.9.8", "2600:1f19::7"]) expect(toTcp(policy, address)).toBe("pass");
	});

	test("UDP and ping follow the same rule", () => {
		for (const [address, verdict] of [
			["1.1.1.1", "pass"],
			["192.168.1.1", "refuse"],
		] as const) {
			expect(judge(internet, ipv4(address, UDP, udp(443)))).toBe(verdict);
			expect(judge(internet, ipv4(address, 1, ECHO))).toBe(verdict);
		}
		expect(judge(internet, ipv6("2606:4700::1", 58, ECHO6))).toBe("pass");
		expect(judge(internet, ipv6("fd00::1", 58, ECHO6))).toBe("refuse");
	});
});

describe("host", () => {
	test("everything but what no other machine has", () => {
		for (const address of [
			...PUBLIC,
			...PUBLIC6,
			"192.168.1.1",
			"169.254.169.254",
			"fd00::1",
			LINK.gateway,
			LINK.gateway6,
		])
			expect(toTcp(host, address)).toBe("pass");
	});

	test("denials hold", () => {
		const policy: Policy = {
			...host,
			rules: [rule("deny", "192.168.0.0/16")],
			loopback: [rule("deny", "127.0.0.1:22")],
		};
		expect(["192.168.1.1", "192.169.1.1"].map((each) => toTcp(policy, each))).toEqual(["refuse", "pass"]);
		expect([22, 23].map((port) => toTcp(policy, LINK.gateway, port))).toEqual(["refuse", "pass"]);
	});
});

describe("rules", () => {
	test("an allowed port opens itself alone", () => {
		const policy = { ...internet, rules: [rule("allow", "192.168.1.5:445"), rule("allow", "[fd00::5]:22")] };
		expect(toTcp(policy, "192.168.1.5", 445)).toBe("pass");
		expect(toTcp(policy, "fd00::5", 22)).toBe("pass");
		expect(toTcp(policy, "192.168.1.5", 446)).toBe("refuse");
		expect(toTcp(policy, "192.168.1.6", 445)).toBe("refuse");
		expect(toTcp(policy, "fd00::5", 23)).toBe("refuse");
		expect(judge(policy, ipv4("192.168.1.5", 1, ECHO))).toBe("refuse");
	});

	test("the host's loopback opens behind the gateway, and no rule for a network opens it", () => {
		const open = { ...internet, rules: [rule("allow", "10.0.0.0/8")], loopback: [rule("allow", "127.0.0.1:8080")] };
		expect([8080, 8081, 53].map((port) => toTcp(open, LINK.gateway, port))).toEqual(["pass", "refuse", "refuse"]);
		expect(toTcp(open, LINK.gateway6, 8080)).toBe("refuse");
		expect(toTcp({ ...open, loopback: [rule("allow", "[::1]:80")] }, LINK.gateway6, 80)).toBe("pass");
		expect(toTcp({ ...open, loopback: [] }, LINK.gateway, 8080)).toBe("refuse");
		expect(toTcp(open, "10.1.2.3")).toBe("pass");
	});

	test("the longest prefix counts, then a port, then a denial", () => {
		const rules = [
			rule("deny", "0.0.0.0/0"),
			rule("allow", "1.1.1.0/24"),
			rule("deny", "1.1.1.1:53"),
			rule("allow", "1.1.1.1"),
		];
		const policy = { ...internet, rules };
		expect(toTcp(policy, "8.8.8.8")).toBe("refuse");
		expect(toTcp(policy, "1.1.1.2")).toBe("pass");
		expect([53, 443].map((port) => toTcp(policy, "1.1.1.1", port))).toEqual(["refuse", "pass"]);
		expect(toTcp({ ...internet, rules: [rule("allow", "9.9.9.9"), rule("deny", "9.9.9.9")] }, "9.9.9.9")).toBe(
			"refuse",
		);
	});
});

describe("DNS", () => {
	const ask = (load: number[], policy = internet) => judge(policy, ipv4(LINK.dns, UDP, udp(53, load)));
	const edns = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];

	test("a plain question passes", () => {
		expect(ask(dnsQuery("example.org"))).toBe("pass");
		expect(ask(dnsQuery("example.org", { type: 28, counts: [1, 0, 0, 1], rest: edns }))).toBe("pass");
		expect(ask(dnsQuery("example.org", { type: 65 }))).toBe("pass");
	});

	test.each([
		["an answer", dnsQuery("a.b", { flags: 0x8180 })],
		["an update", dnsQuery("a.b", { flags: 0x2800 })],
		["a notification", dnsQuery("a.b", { flags: 0x2000 })],
		["a zone transfer", dnsQuery("a.b", { type: 252 })],
		["ANY", dnsQuery("a.b", { type: 255 })],
		["two questions", dnsQuery("a.b", { counts: [2, 0, 0, 0] })],
		["records in a question", dnsQuery("a.b", { counts: [1, 1, 0, 0], rest: edns })],
		["bytes behind the question", dnsQuery("a.b", { rest: [1, 2, 3] })],
		[
			"an EDNS record that is longer than the datagram",
			dnsQuery("a.b", { counts: [1, 0, 0, 1], rest: [...edns.slice(0, -1), 9] }),
		],
		["a compressed name", [...dnsQuery("").slice(0, 12), 0xc0, 12, 0, 1, 0, 1]],
		["no name", [...dnsQuery("").slice(0, 12), 63]],
		["another protocol", [...Buffer.from("GET / HTTP/1.0\r\n\r\n")]],
		["nothing", []],
	])("%s does not", (_name, load) => {
		expect(ask(load)).toBe("drop");
	});

	test("no TCP, no other port, no other address of the link", () => {
		expect(toTcp(internet, LINK.dns, 53)).toBe("refuse");
		expect(toTcp(internet, LINK.dns, 80)).toBe("refuse");
		expect(judge(internet, ipv4(LINK.dns, UDP, udp(5353, dnsQuery("a.b"))))).toBe("refuse");
		expect(judge(internet, ipv4("10.0.2.4", UDP, udp(53, dnsQuery("a.b"))))).toBe("refuse");
		expect(toTcp(host, LINK.dns, 53)).toBe("pass");
	});
});

describe("what has more than one reading never passes", () => {
	const load = tcp(80);
	const good = ipv4("1.1.1.1", TCP, load);
	test.each([
		["options", ipv4("1.1.1.1", TCP, load, { version: 0x46 })],
		["a first fragment", ipv4("1.1.1.1", TCP, load, { fragment: 0x2000 })],
		["a later fragment", ipv4("1.1.1.1", TCP, load, { fragment: 185 })],
		["a length beyond the frame", ipv4("1.1.1.1", TCP, load, { length: 4000 })],
		["a length within the header", ipv4("1.1.1.1", TCP, load, { length: 19 })],
		["half a TCP header", ipv4("1.1.1.1", TCP, load.slice(0, 12))],
		["another's address as the sender", ipv4("1.1.1.1", TCP, load, { from: "192.168.1.7" })],
		["IPv4 in IPv4", ipv4("1.1.1.1", 4, [...good.subarray(14)])],
		["IPv6 in IPv4", ipv4("1.1.1.1", 41, load)],
		["GRE", ipv4("1.1.1.1", 47, load)],
		["a redirect", ipv4("1.1.1.1", 1, [5, 1, 0, 0, 0, 0, 0, 0])],
		["a routing header", ipv6("2606:4700::1", 43, load)],
		["hop-by-hop options", ipv6("2606:4700::1", 0, load)],
		["destination options", ipv6("2606:4700::1", 60, load)],
		["an IPv6 fragment", ipv6("2606:4700::1", 44, load)],
		["a jumbogram", ipv6("2606:4700::1", TCP, load, { length: 0 })],
		["an IPv6 length beyond the frame", ipv6("2606:4700::1", TCP, load, { length: 4000 })],
		["a router advertisement", ipv6("ff02::1", 58, [134, 0, 0, 0, 0, 0, 0, 0], { from: "fe80::1", hops: 255 })],
		[
			"a neighbour solicitation from afar",
			ipv6("ff02::1:ff00:2", 58, [135, 0, 0, 0, 0, 0, 0, 0], { from: "fe80::1", hops: 64 }),
		],
		["VLAN", frame(0x8100, [0, 1, 8, 0, ...good.subarray(14)])],
		["LLC", frame(40, [...good.subarray(14)])],
		["DHCP to somebody else", ipv4("192.168.1.1", UDP, udp(67))],
		["ARP for another network", frame(0x0806, [0, 1, 8, 0, 6, 4, 0, 1, ...new Uint8Array(16), 192, 168, 1, 1])],
		["an empty frame", new Uint8Array(0)],
	])("%s", (_name, bytes) => {
		for (const policy of [internet, host]) expect(judge(policy, bytes)).not.toBe("pass");
	});
});

test("the talk that a card needs to come up passes", () => {
	const toEverybody = { from: "0.0.0.0" };
	expect(judge(internet, ipv4("255.255.255.255", UDP, udp(67, new Uint8Array(240)), toEverybody))).toBe("pass");
	expect(judge(internet, frame(0x0806, [0, 1, 8, 0, 6, 4, 0, 1, ...new Uint8Array(16), 10, 0, 2, 2]))).toBe("pass");
	const solicitation = { from: "::", hops: 255 };
	expect(judge(internet, ipv6("ff02::1:ff00:15", 58, [135, ...new Uint8Array(23)], solicitation))).toBe("pass");
	expect(judge(internet, ipv6("ff02::2", 58, [133, ...new Uint8Array(7)], { from: "fe80::1", hops: 255 }))).toBe(
		"pass",
	);
	expect(judge(internet, ipv6("ff02::1:2", UDP, udp(547), { from: "fe80::1" }))).toBe("pass");
});

/** Read again by other means: what a frame that passes is addressed to. */
function destination(bytes: Uint8Array): string {
	const view = Buffer.from(bytes);
	const type = view.readUInt16BE(12);
	if (type === 0x0806) return "arp";
	return type === 0x0800 ? [...view.subarray(30, 34)].join(".") : view.subarray(38, 54).toString("hex");
}

const anyAddress = fc.oneof(fc.constantFrom(...PUBLIC, ...LOCAL, ...NEVER), fc.ipV4());
const anyAddress6 = fc.oneof(fc.constantFrom(...PUBLIC6, ...LOCAL6, ...NEVER6), fc.ipV6());
const anyLoad = fc.oneof(
	fc.integer({ min: 1, max: 65535 }).map(tcp),
	fc.integer({ min: 1, max: 65535 }).map((port) => udp(port)),
);
const anyFrame = fc.oneof(
	fc.uint8Array({ maxLength: 200 }),
	fc
		.tuple(anyAddress, fc.constantFrom(1, 6, 17, 4, 41, 58), anyLoad)
		.map(([to, protocol, load]) => ipv4(to, protocol, load)),
	fc
		.tuple(anyAddress6, fc.constantFrom(6, 17, 58, 0, 43, 44), anyLoad)
		.map(([to, protocol, load]) => ipv6(to, protocol, load)),
);
const mutated = fc
	.tuple(anyFrame, fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 4 }))
	.map(([bytes, changes]) => {
		const copy = Uint8Array.from(bytes);
		for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
		return copy;
	});

test("no frame, however mangled, passes to an address that is not the internet's", () => {
	const locals = [
		...[
			"10.0.0.0/8",
			"172.16.0.0/12",
			"192.168.0.0/16",
			"127.0.0.0/8",
			"0.0.0.0/8",
			"169.254.0.0/16",
			"100.64.0.0/10",
			"224.0.0.0/3",
		],
	].map(prefixOf);
	fc.assert(
		fc.property(mutated, (bytes) => {
			if (judge(internet, bytes) !== "pass") return;
			const to = destination(bytes);
			if (to === "arp" || to === LINK.dns || to === LINK.gateway || to === "255.255.255.255") return;
			if (to.includes(".")) expect(locals.some((each) => isInside(each, bytesOf(to)))).toBe(false);
			// 2000::/3, NAT64, or what a link needs to come up.
			else expect(to).toMatch(/^([23]|0064ff9b0{16}|ff02|fe80|fd7667686f730000)/);
		}),
		{ numRuns: 20_000 },
	);
});

test("a mode that allows less never lets through what one that allows more does not", () => {
	fc.assert(
		fc.property(mutated, (bytes) => {
			if (judge(internet, bytes) === "pass") expect(judge(host, bytes)).toBe("pass");
		}),
		{ numRuns: 5000 },
	);
});

test("where the frame stands in the buffer makes no difference", () => {
	fc.assert(
		fc.property(mutated, fc.uint8Array({ maxLength: 40 }), (bytes, before) => {
			const buffer = Uint8Array.from([...before, ...bytes, 1, 2, 3]);
			expect(judgeFrame(internet, buffer, before.length, bytes.length)).toBe(judge(internet, bytes));
		}),
	);
});
