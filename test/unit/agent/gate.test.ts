/** The gate with real connections: who gets in, who is pushed out, and when SSH begins. */
import { afterEach, beforeEach, expect, setSystemTime, test } from "bun:test";
import { once } from "node:events";
import net from "node:net";
import { Gate, UNAUTHENTICATED_MAX } from "../../../agent/gate.ts";

let gate: Gate;
let server: net.Server;
/** The server's ends, in the order in which they were served. */
let served: net.Socket[];
let scope: DisposableStack;

beforeEach(async () => {
	gate = new Gate();
	served = [];
	scope = new DisposableStack();
	server = net.createServer((socket) => {
		scope.defer(() => socket.destroy());
		gate.admit(socket, () => served.push(socket));
	});
	scope.defer(() => server.close());
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
});
afterEach(() => {
	setSystemTime();
	scope.dispose();
});

/** One after the other, so that the oldest is known; resolves when the gate has it. */
async function connect(first?: string | Uint8Array) {
	const accepted = once(server, "connection");
	const socket = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
	scope.defer(() => socket.destroy());
	socket.on("error", () => {});
	const closed = once(socket, "close");
	await once(socket, "connect");
	const [inside] = (await accepted) as [net.Socket];
	socket.resume();
	if (first !== undefined) socket.write(first);
	return { socket, inside, closed };
}

async function until(condition: () => boolean): Promise<void> {
	for (const end = Date.now() + 3000; !condition(); await Bun.sleep(2)) {
		if (Date.now() > end) throw new Error("it did not happen");
	}
}

const times = async <T>(count: number, make: () => Promise<T>) => {
	const made: T[] = [];
	for (let i = 0; i < count; i++) made.push(await make());
	return made;
};

test("SSH begins with the peer's first bytes, and none is lost", async () => {
	for (const first of ["SSH-2.0-x\r\n", "SSH-", "S"]) {
		const { inside, socket } = await connect(first);
		await until(() => served.includes(inside));
		socket.write("more");
		let seen = "";
		inside.on("data", (bytes: Buffer) => {
			seen += bytes.toString();
		});
		inside.resume();
		await until(() => seen === `${first}more`);
	}
});

test("a peer that waits for us is served after a moment, and nothing it says then is lost", async () => {
	const from = performance.now();
	const { inside, socket } = await connect();
	expect(served).toEqual([]);
	await until(() => served.includes(inside));
	expect(performance.now() - from).toBeWithin(150, 2000);
	socket.write("SSH-2.0-late");
	const [bytes] = (await once(inside, "data")) as [Buffer];
	expect(bytes.toString()).toBe("SSH-2.0-late");
	expect(served.length).toBe(1);
});

test.each(["GET / HTTP/1.1\r\n", "\n", "ssh-2.0", "SSX-", "\0", "\x16\x03\x01"])(
	"%j is no SSH: closed",
	async (first) => {
		const { closed } = await connect(first);
		await closed;
		expect(gate.pending).toBe(0);
		expect(served).toEqual([]);
	},
);

test("an eleventh silent peer gets the place of the oldest one", async () => {
	const peers = await times(UNAUTHENTICATED_MAX, connect);
	const [oldest, second] = peers;
	const newcomers = [await connect(), await connect("SSH-2.0-good")];
	await Promise.all([oldest?.closed, second?.closed]);
	expect(gate.pending).toBe(UNAUTHENTICATED_MAX);
	for (const { socket } of [...peers.slice(2), ...newcomers]) expect(socket.destroyed).toBe(false);
	await until(() => served.length === UNAUTHENTICATED_MAX);
	// Those that were pushed out are never served.
	expect(served).not.toContain(oldest?.inside as net.Socket);
});

test("where all have spoken one of them gives way, so that ten chatty peers cannot keep everybody out", async () => {
	const talkers = await times(UNAUTHENTICATED_MAX, () => connect("SSH-2.0-x\r\n"));
	await until(() => served.length === UNAUTHENTICATED_MAX);
	const newcomer = await connect("SSH-2.0-x\r\n");
	await Promise.race(talkers.map(({ closed }) => closed));
	await until(() => served.includes(newcomer.inside));
	expect(gate.pending).toBe(UNAUTHENTICATED_MAX);
});

test("one that takes longer than a handshake does goes before the others", async () => {
	const talkers = await times(UNAUTHENTICATED_MAX, () => connect("SSH-2.0-x\r\n"));
	await until(() => served.length === UNAUTHENTICATED_MAX);
	setSystemTime(Date.now() + 2001);
	const newcomer = await connect("SSH-2.0-x\r\n");
	await talkers[0]?.closed;
	await until(() => served.includes(newcomer.inside));
	for (const { socket } of talkers.slice(1)) expect(socket.destroyed).toBe(false);
});

test("the silent one goes first, even where it is the youngest", async () => {
	const talkers = await times(UNAUTHENTICATED_MAX - 1, () => connect("SSH-2.0-x\r\n"));
	await until(() => served.length === talkers.length);
	const silent = await connect();
	setSystemTime(Date.now() + 2001);
	await connect("SSH-2.0-x\r\n");
	await silent.closed;
	for (const { socket } of talkers) expect(socket.destroyed).toBe(false);
});

test("who logs in or goes away leaves a place", async () => {
	const peers = await times(UNAUTHENTICATED_MAX, () => connect("SSH-2.0-x\r\n"));
	await until(() => served.length === UNAUTHENTICATED_MAX);
	const [loggedIn, gone, reset, ...rest] = peers;
	gate.release(loggedIn?.inside as net.Socket);
	gate.release(loggedIn?.inside as net.Socket);
	gone?.socket.end();
	reset?.socket.resetAndDestroy();
	served.forEach((socket) => void socket.resume());
	await until(() => gate.pending === UNAUTHENTICATED_MAX - 3);
	const newcomers = await times(3, () => connect("SSH-2.0-x\r\n"));
	await until(() => served.length === UNAUTHENTICATED_MAX + 3);
	for (const each of [loggedIn, ...rest, ...newcomers]) expect(each?.socket.destroyed).toBe(false);
});
