/** A network namespace that plays the internet and the LAN, and listeners of the host's, which count who comes. Needs root. */

import dgram from "node:dgram";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import { join } from "node:path";
import { BINARY, type Sandbox, tool } from "../harness.ts";

/** Addresses that look public and are routed into the namespace: nobody's machine is asked. */
export const INTERNET = { ipv4: "93.184.216.34", ipv6: "2606:2800:220:1::34" } as const;
/** Both ends of the cable to it. */
const CABLE = { host: "10.199.0.1", peer: "10.199.0.2", host6: "fd99::1", peer6: "fd99::2" } as const;
/** A public address in a network of one of the host's own cards. */
const NEIGHBOUR = { host: "198.41.0.1", peer: "198.41.0.2" } as const;
const METADATA = "169.254.169.254";
/** The host's name server, which listens on its loopback, as systemd-resolved does. */
export const RESOLVER = "127.0.0.77";
export const PORT = 8099;
export const OTHER_PORT = 8098;

const NAMESPACE = "vg-internet";
const CARD = "vg-cable";

/** What the probes are aimed at, by what it is. */
export const PLACE = {
	loopback: "127.0.0.1",
	loopback6: "::1",
	card: CABLE.host,
	card6: CABLE.host6,
	neighbour: CABLE.peer,
	neighbour6: CABLE.peer6,
	ownPublic: NEIGHBOUR.host,
	neighbourPublic: NEIGHBOUR.peer,
	metadata: METADATA,
	internet: INTERNET.ipv4,
	internet6: INTERNET.ipv6,
} as const;

export type Place = keyof typeof PLACE;

const PEER_PLACES: readonly Place[] = ["neighbour", "neighbour6", "neighbourPublic", "internet", "internet6"];

/** Answers each connection with a greeting, and appends a line for it to a file. Runs in the namespace. */
const SERVER = `
const [file, ...listeners] = process.argv.slice(2);
const fs = require("node:fs");
for (const each of listeners) {
	const [host, port] = each.split("@");
	require("node:net").createServer((socket) => {
		fs.appendFileSync(file, host + "@" + port + "\\n");
		socket.on("error", () => {});
		socket.end("here is " + host + "\\n");
	}).listen({ host, port: Number(port), ipv6Only: host.includes(":") }, () => fs.appendFileSync(file, "up\\n"));
}
`;

export class Internet implements AsyncDisposable {
	readonly #scope = new AsyncDisposableStack();
	readonly #counts = new Map<string, number>();
	#peerFile = "";
	/** Datagrams and connections that the resolver got, and those that were no plain question. */
	readonly dns = { questions: 0, others: 0, connections: 0 };

	static async open(): Promise<Internet> {
		const internet = new Internet();
		try {
			await internet.#lay();
			await internet.#listen();
			await internet.#serve();
			await internet.#resolve();
			return internet;
		} catch (error) {
			await internet[Symbol.asyncDispose]();
			throw error;
		}
	}

	async #lay(): Promise<void> {
		await run(["ip", "link", "del", CARD], true);
		await run(["ip", "netns", "del", NAMESPACE], true);
		await run(["ip", "netns", "add", NAMESPACE]);
		this.#scope.defer(() => run(["ip", "netns", "del", NAMESPACE], true));
		await run(["ip", "link", "add", CARD, "type", "veth", "peer", "name", "cable", "netns", NAMESPACE]);
		this.#scope.defer(() => run(["ip", "link", "del", CARD], true));
		const inside = (...argv: string[]) => run(["ip", "-n", NAMESPACE, ...argv]);
		for (const [address, nodad] of [
			[`${CABLE.host}/30`],
			[`${CABLE.host6}/64`, "nodad"],
			[`${NEIGHBOUR.host}/24`],
			[`${METADATA}/32`],
		]) {
			await run(["ip", "addr", "add", address ?? "", "dev", CARD, ...(nodad ? [nodad] : [])]);
		}
		await run(["ip", "link", "set", CARD, "up"]);
		await inside("link", "set", "lo", "up");
		for (const [address, nodad] of [[`${CABLE.peer}/30`], [`${CABLE.peer6}/64`, "nodad"], [`${NEIGHBOUR.peer}/24`]]) {
			await inside("addr", "add", address ?? "", "dev", "cable", ...(nodad ? [nodad] : []));
		}
		await inside("link", "set", "cable", "up");
		await inside("addr", "add", `${INTERNET.ipv4}/32`, "dev", "lo");
		await inside("addr", "add", `${INTERNET.ipv6}/128`, "dev", "lo", "nodad");
		await inside("route", "add", "default", "via", CABLE.host);
		await inside("-6", "route", "add", "default", "via", CABLE.host6);
		await run(["ip", "route", "add", `${INTERNET.ipv4}/32`, "via", CABLE.peer]);
		await run(["ip", "-6", "route", "add", `${INTERNET.ipv6}/128`, "via", CABLE.peer6]);
	}

	/** The host's own listeners. */
	async #listen(): Promise<void> {
		for (const place of Object.keys(PLACE) as Place[]) {
			if (PEER_PLACES.includes(place)) continue;
			for (const port of [PORT, OTHER_PORT]) await this.#listenAt(PLACE[place], port);
		}
	}

	async #listenAt(host: string, port: number): Promise<void> {
		const key = `${host}@${port}`;
		this.#counts.set(key, 0);
		const server = net.createServer((socket) => {
			this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
			socket.on("error", () => {});
			socket.end(`here is ${host}\n`);
		});
		await new Promise<void>((resolve, reject) => {
			server.once("error", reject);
			server.listen({ host, port, ipv6Only: host.includes(":") }, resolve);
		});
		this.#scope.defer(() => void server.close());
	}

	async #serve(): Promise<void> {
		// Not in a sandbox, whose leftovers are looked for.
		const folder = mkdtempSync(join(os.tmpdir(), "vg-internet-"));
		const script = join(folder, "server.cjs");
		this.#peerFile = join(folder, "connections");
		writeFileSync(script, SERVER);
		writeFileSync(this.#peerFile, "");
		const listeners = PEER_PLACES.flatMap((place) => [PORT, OTHER_PORT].map((port) => `${PLACE[place]}@${port}`));
		const argv = ["ip", "netns", "exec", NAMESPACE, process.execPath, script, this.#peerFile, ...listeners];
		const child = Bun.spawn(argv, { stdio: ["ignore", "inherit", "inherit"] });
		this.#scope.defer(async () => {
			child.kill("SIGKILL");
			await child.exited;
			rmSync(folder, { recursive: true, force: true });
		});
		for (;;) {
			if ((await this.#peerLines()).filter((line) => line === "up").length === listeners.length) return;
			if (child.exitCode !== null) throw new Error("the server of the internet ended");
			await Bun.sleep(20);
		}
	}

	async #peerLines(): Promise<string[]> {
		return (await Bun.file(this.#peerFile).text()).split("\n").filter(Boolean);
	}

	/** Answers every question for an A record with the internet's address, and counts what is no question. */
	async #resolve(): Promise<void> {
		const socket = dgram.createSocket("udp4");
		socket.on("message", (message, peer) => {
			const isQuestion = message.length > 16 && (message[2] ?? 0) < 2 && message.readUInt16BE(4) === 1;
			if (!isQuestion) {
				this.dns.others++;
				return;
			}
			this.dns.questions++;
			socket.send(answerTo(message), peer.port, peer.address);
		});
		await new Promise<void>((resolve) => socket.bind(53, RESOLVER, resolve));
		this.#scope.defer(() => void socket.close());
		const server = net.createServer((connection) => {
			this.dns.connections++;
			connection.on("error", () => {});
			connection.end();
		});
		await new Promise<void>((resolve) => server.listen(53, RESOLVER, resolve));
		this.#scope.defer(() => void server.close());
	}

	/** Connections to a place since the beginning. */
	async count(place: Place, port: number = PORT): Promise<number> {
		const key = `${PLACE[place]}@${port}`;
		if (!PEER_PLACES.includes(place)) return this.#counts.get(key) ?? 0;
		return (await this.#peerLines()).filter((line) => line === key).length;
	}

	/** All that were connected to, with how often. */
	async counts(): Promise<Record<string, number>> {
		const all: Record<string, number> = {};
		for (const place of Object.keys(PLACE) as Place[]) {
			for (const port of [PORT, OTHER_PORT]) {
				const count = await this.count(place, port);
				if (count > 0) all[`${place}:${port}`] = count;
			}
		}
		return all;
	}

	/** A stand-in for the binary, for a launcher on a host whose name server is ours. */
	launcher(sandbox: Sandbox): string {
		const resolv = join(sandbox.root, "resolv.conf");
		writeFileSync(resolv, `nameserver ${RESOLVER}\n`);
		const path = join(sandbox.root, "launcher");
		const script = `/usr/bin/mount --bind ${resolv} /etc/resolv.conf && exec ${BINARY} "$@"`;
		writeFileSync(path, `#!/bin/sh\nexec /usr/bin/unshare -m --propagation private /bin/sh -c '${script}' sh "$@"\n`, {
			mode: 0o755,
		});
		return path;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#scope.disposeAsync();
	}
}

/** The question, with one A record behind it (or none, for other types). */
function answerTo(question: Buffer): Buffer {
	let at = 12;
	while ((question[at] ?? 0) !== 0) at += 1 + (question[at] ?? 0);
	const end = at + 5;
	const isA = question.readUInt16BE(at + 1) === 1;
	const head = Buffer.from(question.subarray(0, end));
	head.writeUInt16BE(0x8180, 2);
	head.writeUInt16BE(isA ? 1 : 0, 6);
	head.writeUInt16BE(0, 10);
	const address = INTERNET.ipv4.split(".").map(Number);
	return isA ? Buffer.concat([head, Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address])]) : head;
}

export function canPlayInternet(): boolean {
	return process.getuid?.() === 0 && os.platform() === "linux" && Bun.which("ip") !== null;
}

async function run(argv: readonly string[], mayFail = false): Promise<void> {
	const { code, stderr } = await tool(argv);
	if (code !== 0 && !mayFail) throw new Error(`${argv.join(" ")}: ${stderr}`);
}
