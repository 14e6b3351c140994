/** Forwarded ports with real connections; a server on 127.0.0.1 stands for the guest. */
import { afterEach, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import { Duplex } from "node:stream";
import { EXIT, Fault } from "../../../src/errors.ts";
import {
	type ConnectGuest,
	describeForward,
	type Forward,
	isLoopback,
	openForward,
	parseForward,
} from "../../../src/vm/forwards.ts";

describe("parseForward", () => {
	test.each<[string, Forward]>([
		["8080:80", { host: "127.0.0.1", hostPort: 8080, guestPort: 80 }],
		["0:1", { host: "127.0.0.1", hostPort: 0, guestPort: 1 }],
		["65535:65535", { host: "127.0.0.1", hostPort: 65_535, guestPort: 65_535 }],
		["127.0.0.2:1:2", { host: "127.0.0.2", hostPort: 1, guestPort: 2 }],
		["0.0.0.0:1:2", { host: "0.0.0.0", hostPort: 1, guestPort: 2 }],
		["localhost:1:2", { host: "localhost", hostPort: 1, guestPort: 2 }],
		["[::1]:1:2", { host: "::1", hostPort: 1, guestPort: 2 }],
		["[::]:1:2", { host: "::", hostPort: 1, guestPort: 2 }],
		["[::ffff:127.0.0.1]:1:2", { host: "::ffff:127.0.0.1", hostPort: 1, guestPort: 2 }],
		["[2001:DB8::1]:1:2", { host: "2001:DB8::1", hostPort: 1, guestPort: 2 }],
	])("%s", (text, forward) => {
		expect(parseForward(text)).toEqual(forward);
	});

	const BAD =
		"|80|:80|80:|8080:0|65536:80|80:65536|99999999999999999999:80|-1:80|+1:80|1.5:80|0x50:80|a:b| 1:2|1:2 |1:2\n";
	const BAD_HOSTS = ":1:2|example.com:1:2|::1:1:2|[::1:1:2|[]:1:2|[::g]:1:2|[::1]1:2|1.2.3:1:2|256.0.0.1:1:2|a:b:1:2";
	test.each([...BAD.split("|"), ...BAD_HOSTS.split("|")])("%j is none", (text) => {
		try {
			parseForward(text);
		} catch (error) {
			expect(error).toBeInstanceOf(Fault);
			expect((error as Fault).exitCode).toBe(EXIT.usage);
			expect((error as Fault).message).toBe(`"${text}" is no port to forward`);
			return;
		}
		throw new Error("it was taken");
	});

	test("a bracket without its partner is no address", () => {
		for (const text of ["[127.0.0.1:1:2", "127.0.0.1]:1:2", "[localhost:1:2"])
			expect(() => parseForward(text)).toThrow();
	});
});

test("what is described can be read again", () => {
	expect(describeForward({ host: "127.0.0.1", hostPort: 8080, guestPort: 80 })).toBe("127.0.0.1:8080 -> 80");
	for (const host of ["127.0.0.1", "0.0.0.0", "localhost", "::1", "::"]) {
		const forward = { host, hostPort: 1, guestPort: 2 };
		expect(parseForward(describeForward(forward).replace(" -> ", ":"))).toEqual(forward);
	}
});

test("only what this host alone can reach is loopback", () => {
	for (const host of ["localhost", "127.0.0.1", "127.9.9.9", "::1"]) expect(isLoopback(host)).toBe(true);
	for (const host of ["0.0.0.0", "::", "192.168.0.1", "10.127.0.1"]) expect(isLoopback(host)).toBe(false);
});

describe("openForward", () => {
	let scope = new DisposableStack();
	afterEach(() => {
		scope.dispose();
		scope = new DisposableStack();
	});

	/** A service in the guest, and the way to it. */
	async function guest(serve: (socket: net.Socket) => void): Promise<ConnectGuest> {
		const server = net.createServer({ allowHalfOpen: true }, (socket) => {
			scope.defer(() => socket.destroy());
			socket.on("error", () => {});
			serve(socket);
		});
		scope.defer(() => server.close());
		const port = await listen(server);
		return async () => await dial(port);
	}

	async function listen(server: net.Server): Promise<number> {
		server.listen(0, "127.0.0.1");
		await once(server, "listening");
		return (server.address() as net.AddressInfo).port;
	}

	async function dial(port: number): Promise<net.Socket> {
		const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
		scope.defer(() => socket.destroy());
		await once(socket, "connect");
		return socket.on("error", () => {});
	}

	async function forward(connect: ConnectGuest, guestPort = 80) {
		return scope.use(await openForward({ host: "127.0.0.1", hostPort: 0, guestPort }, connect));
	}

	async function readAll(socket: net.Socket): Promise<Buffer> {
		const chunks: Buffer[] = [];
		socket.on("data", (chunk: Buffer) => chunks.push(chunk)).resume();
		await once(socket, "end");
		return Buffer.concat(chunks);
	}

	test("data goes both ways, whole, and each connection by itself", async () => {
		const ports: number[] = [];
		const connect = await guest((socket) => socket.pipe(socket));
		const { hostPort } = await forward((port) => {
			ports.push(port);
			return connect(port);
		}, 8081);
		expect(hostPort).toBeGreaterThan(0);
		await Promise.all(
			[0, 1, 1_000_000].map(async (length) => {
				const bytes = randomBytes(length);
				const socket = await dial(hostPort);
				const back = readAll(socket);
				socket.end(bytes);
				expect((await back).equals(bytes)).toBe(true);
			}),
		);
		expect(ports).toEqual([8081, 8081, 8081]);
	});

	test("what is said before the guest is there is not lost", async () => {
		const connect = await guest((socket) => socket.pipe(socket));
		const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
		const { hostPort } = await forward(async (port) => {
			await allowed;
			return await connect(port);
		});
		const socket = await dial(hostPort);
		const back = readAll(socket);
		socket.write("early", () => allow());
		socket.end();
		expect((await back).toString()).toBe("early");
	});

	test("one side may finish before the other: the client", async () => {
		const connect = await guest((socket) => {
			void readAll(socket).then((all) => socket.end(`got ${all.toString()}`));
		});
		const socket = await dial((await forward(connect)).hostPort);
		socket.end("question");
		expect((await readAll(socket)).toString()).toBe("got question");
	});

	test("one side may finish before the other: the guest", async () => {
		const { promise: heard, resolve } = Promise.withResolvers<string>();
		const connect = await guest((socket) => {
			socket.end("hello");
			void readAll(socket).then((all) => resolve(all.toString()));
		});
		const socket = await dial((await forward(connect)).hostPort);
		expect((await readAll(socket)).toString()).toBe("hello");
		socket.end("bye");
		expect(await heard).toBe("bye");
	});

	test("a client that reads slowly gets the end of an answer too", async () => {
		const answer = Buffer.alloc(16_000_000);
		const { promise: closed, resolve } = Promise.withResolvers<void>();
		const { hostPort } = await forward(() => {
			const ended = new Duplex({ read: () => {}, write: (_bytes, _encoding, done) => done() });
			ended.push(answer);
			ended.push(null);
			return Promise.resolve(ended.on("close", () => resolve()));
		});
		const socket = (await dial(hostPort)).pause();
		socket.end("question");
		await closed;
		expect((await readAll(socket)).length).toBe(answer.length);
	});

	test("the guest resets the connection: so do we, and the other way round", async () => {
		const { promise: closed, resolve } = Promise.withResolvers<void>();
		const connect = await guest((socket) => {
			socket.once("data", (bytes: Buffer) => {
				if (bytes.toString() === "go away") socket.resetAndDestroy();
				else socket.on("end", () => resolve()).write("welcome");
			});
		});
		const { hostPort } = await forward(connect);
		const refused = await dial(hostPort);
		refused.write("go away");
		await once(refused.resume(), "end");
		const welcome = await dial(hostPort);
		welcome.write("hello");
		await once(welcome, "data");
		welcome.resetAndDestroy();
		await closed;
	});

	test("a crowd that waits for the guest has a limit; when it is gone, there is place again", async () => {
		const connect = await guest((socket) => socket.end("hello"));
		const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
		let waiting = 0;
		const { hostPort } = await forward(async (port) => {
			waiting++;
			await allowed;
			return await connect(port);
		});
		let turnedAway = 0;
		const crowd: net.Socket[] = [];
		for (let i = 0; i < 300; i++) crowd.push((await dial(hostPort)).on("end", () => turnedAway++).resume());
		while (turnedAway < 44) await Bun.sleep(5);
		expect([waiting, turnedAway]).toEqual([256, 44]);
		for (const socket of crowd) socket.destroy();
		allow();
		let text = "";
		while (text === "") text = (await readAll(await dial(hostPort))).toString();
		expect(text).toBe("hello");
	}, 30_000);

	test("nothing listens in the guest: the connection closes, the port stays", async () => {
		const { hostPort } = await forward(() => Promise.reject(new Error("refused")));
		for (let i = 0; i < 2; i++) await once((await dial(hostPort)).resume(), "end");
	});

	test("a port that is taken is a Fault", async () => {
		const { hostPort } = await forward(() => Promise.reject(new Error("unused")));
		const again = openForward({ host: "127.0.0.1", hostPort, guestPort: 80 }, () =>
			Promise.reject(new Error("unused")),
		);
		const fault = (await again.catch((error: unknown) => error)) as Fault;
		expect(fault).toBeInstanceOf(Fault);
		expect(fault.message).toBe(`Port ${hostPort} on 127.0.0.1 cannot be opened`);
		expect(fault.details.why).toContain("in use");
		expect(fault.exitCode).toBe(EXIT.launcher);
	});

	test("disposing closes the connections on both sides, and frees the port", async () => {
		const { promise: closed, resolve } = Promise.withResolvers<void>();
		const connect = await guest((socket) => socket.on("close", () => resolve()).pipe(socket));
		const opened = await forward(connect);
		const socket = await dial(opened.hostPort);
		socket.write("x");
		await once(socket, "data");
		opened[Symbol.dispose]();
		await Promise.all([once(socket, "end"), closed]);
		const next = await openForward({ host: "127.0.0.1", hostPort: opened.hostPort, guestPort: 80 }, connect);
		next[Symbol.dispose]();
	});
});
