/** What a hostile guest tries, and the flags under which it does: rows and columns of docs/security-probes.md. */
import { INTERNET, OTHER_PORT, PLACE, type Place, PORT } from "./internet.ts";

const GATEWAY = "10.0.2.2";
/** QEMU's own end of the card that leads to the agent, and its name server. */
const CONTROL = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
const GATEWAY6 = "fd76:6768:6f73::2";

/** Every way in which the guest can name a place; a place is reached if one of them arrives. */
export interface Probe {
	readonly name: string;
	/** Lines for probe.pl. */
	readonly lines: readonly string[];
	/** Where a connection is counted; null: the guest's own word is all there is. */
	readonly place: Place | null;
	readonly port?: number;
}

const raws = (kinds: readonly string[], to: string) => kinds.map((kind) => `raw ${kind} ${to} ${PORT}`);

export const PROBES: readonly Probe[] = [
	{ name: "the internet, IPv4", place: "internet", lines: [`tcp ${INTERNET.ipv4} ${PORT}`] },
	{ name: "the internet, IPv6", place: "internet6", lines: [`tcp ${INTERNET.ipv6} ${PORT}`] },
	{ name: "the internet, a frame made by hand", place: "internet", lines: raws(["plain"], INTERNET.ipv4) },
	{ name: "the internet, the same by IPv6", place: "internet6", lines: raws(["plain"], INTERNET.ipv6) },
	{ name: "a name, by the host's resolver", place: null, lines: [`dns-udp ${query(1)}`] },
	{ name: "a zone transfer from the host's resolver", place: null, lines: [`dns-udp ${query(252)}`] },
	{ name: "TCP to the host's resolver", place: null, lines: ["dns-tcp", "tcp 192.0.2.3 53"] },
	{
		name: "the host's 127.0.0.1",
		place: "loopback",
		lines: [
			...[
				GATEWAY,
				"10.0.2.1",
				"10.0.2.3",
				"10.0.2.4",
				"10.0.2.16",
				"0.0.0.0",
				"127.0.0.1",
				"127.0.0.2",
				...CONTROL,
			].map((to) => `tcp ${to} ${PORT}`),
			...["::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1", "::127.0.0.1"].map((to) => `tcp ${to} ${PORT}`),
			...raws(["plain", "options", "fragments", "spoofed", "tunnel", "vlan"], "127.0.0.1"),
			...raws(["plain"], "0.0.0.0"),
			...raws(["plain", "destopts"], "::ffff:127.0.0.1"),
		],
	},
	{
		name: "another port of the host's 127.0.0.1",
		place: "loopback",
		port: OTHER_PORT,
		lines: [GATEWAY, ...CONTROL].map((to) => `tcp ${to} ${OTHER_PORT}`),
	},
	{
		name: "the host's ::1",
		place: "loopback6",
		lines: [
			`tcp ${GATEWAY6} ${PORT}`,
			`tcp ::1 ${PORT}`,
			...raws(["plain", "destopts"], "::1"),
			...raws(["plain"], "::"),
		],
	},
	{
		name: "the host's address in its LAN",
		place: "card",
		lines: [
			`tcp ${PLACE.card} ${PORT}`,
			`tcp ::ffff:${PLACE.card} ${PORT}`,
			...raws(["plain", "options", "fragments", "tunnel", "vlan"], PLACE.card),
		],
	},
	{ name: "the same, another port", place: "card", port: OTHER_PORT, lines: [`tcp ${PLACE.card} ${OTHER_PORT}`] },
	{
		name: "the host's address in its LAN, IPv6",
		place: "card6",
		lines: [`tcp ${PLACE.card6} ${PORT}`, ...raws(["plain", "destopts"], PLACE.card6)],
	},
	{
		name: "a public address of the host's",
		place: "ownPublic",
		lines: [`tcp ${PLACE.ownPublic} ${PORT}`, ...raws(["plain"], PLACE.ownPublic)],
	},
	{
		name: "another machine in the LAN",
		place: "neighbour",
		lines: [`tcp ${PLACE.neighbour} ${PORT}`, ...raws(["plain", "options"], PLACE.neighbour)],
	},
	{
		name: "another machine in the LAN, IPv6",
		place: "neighbour6",
		lines: [`tcp ${PLACE.neighbour6} ${PORT}`, ...raws(["destopts"], PLACE.neighbour6)],
	},
	{
		name: "a neighbour with a public address",
		place: "neighbourPublic",
		lines: [`tcp ${PLACE.neighbourPublic} ${PORT}`],
	},
	{
		name: "cloud metadata, 169.254.169.254",
		place: "metadata",
		lines: [`tcp ${PLACE.metadata} ${PORT}`, ...raws(["plain", "vlan"], PLACE.metadata)],
	},
	{
		name: "vsock: the host (CID 2), ports 1 to 1023 and the agent's",
		place: null,
		lines: ["vsock 2 1 1023", "vsock 2 5222 5222"],
	},
	{ name: "vsock: another machine", place: null, lines: ["vsock 4 5222 5222", "vsock 5 5222 5222"] },
];

/** A DNS question for internet.test. */
function query(type: number): string {
	const name = Buffer.from("\x08internet\x04test\0", "latin1");
	return Buffer.concat([
		Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
		name,
		Buffer.from([0, type, 0, 1]),
	]).toString("hex");
}

export const COLUMNS = {
	default: [],
	"--network none": ["--network", "none"],
	"--network host": ["--network", "host"],
	[`--allow 127.0.0.1:${PORT}`]: ["--allow", `127.0.0.1:${PORT}`],
	"--allow the host's LAN address": ["--allow", `${PLACE.card}:${PORT}`],
	"--deny 0.0.0.0/0": ["--deny", "0.0.0.0/0"],
} as const;

export type Column = keyof typeof COLUMNS;
