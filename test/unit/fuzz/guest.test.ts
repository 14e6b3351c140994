/** A guest's agent and SFTP server that answer anything: the launcher's SSH client and `cp` end with an error, or with what they asked for. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import ssh2, { type Connection, type ServerChannel } from "ssh2";
import { Fault } from "../../../src/errors.ts";
import { GuestSession } from "../../../src/ssh/client.ts";
import { download } from "../../../src/ssh/copy/download.ts";
import { generateKeyPair } from "../../../src/ssh/keys.ts";
import { startGuest } from "../ssh/copy/guest.ts";
import { cuts, effort, ends, FUZZ_TIMEOUT_MS, growth, pieces, spoilt } from "./fuzz.ts";

const host = generateKeyPair("host");
const client = generateKeyPair("client");
const LOGIN = { identity: client.private, hostPublicKey: host.public };

/** A Fault of ours, or null where all went well. Anything else is a defect. */
async function outcome(work: Promise<unknown>): Promise<Fault | null> {
	try {
		await ends(work);
		return null;
	} catch (error) {
		if (error instanceof Fault) return error;
		throw error;
	}
}

/** SSH's length, padding and kind around a payload, as it goes before the keys are agreed (RFC 4253, 6). */
function packet(payload: string): Buffer {
	const body = Buffer.from(payload, "hex");
	const padding = 8 + ((8 - ((5 + body.length + 8) % 8)) % 8);
	const whole = Buffer.alloc(5 + body.length + padding);
	whole.writeUInt32BE(1 + body.length + padding, 0);
	whole[4] = padding;
	body.copy(whole, 5);
	return whole;
}

const IDENT = Buffer.from("SSH-2.0-VirtualGhost\r\n");
const PLAIN = [
	IDENT,
	Buffer.concat([IDENT, packet("0200000000")]),
	Buffer.concat([IDENT, packet("01000000020000000362796500000000")]),
	Buffer.concat([IDENT, packet(`14${"00".repeat(16)}${"00000000".repeat(10)}0000000000`)]),
	Buffer.concat([IDENT, packet("1f0000000000000000"), packet("15")]),
];

test(
	"before the keys are agreed: any bytes end the login with an error",
	async () => {
		const property = fc.asyncProperty(spoilt(PLAIN), cuts, async (bytes, where) => {
			const server = net.createServer((socket) => {
				socket.on("error", () => {}).resume();
				for (const piece of pieces(bytes, where)) socket.write(piece);
				socket.end();
			});
			await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
			const socket = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
			expect(await outcome(GuestSession.open(socket, LOGIN))).toBeInstanceOf(Fault);
			server.close();
		});
		await fc.assert(property, effort(60));
	},
	FUZZ_TIMEOUT_MS,
);

/** ssh2's way to send a message, under the encryption that was agreed. */
interface Insides {
	readonly _protocol: {
		readonly _packetRW: {
			readonly write: { readonly allocStart: number; alloc(length: number): Buffer; finalize(packet: Buffer): Buffer };
		};
		readonly _cipher: { encrypt(packet: Buffer): void };
	};
}

function send(connection: Connection, payload: Buffer): void {
	const { _packetRW, _cipher } = (connection as unknown as Insides)._protocol;
	const whole = _packetRW.write.alloc(payload.length);
	whole.set(payload, _packetRW.write.allocStart);
	_cipher.encrypt(_packetRW.write.finalize(whole));
}

/** An agent in this process: `onChannel` takes each exec and subsystem. */
async function agent(onChannel: (channel: ServerChannel, connection: Connection) => void) {
	const server = new ssh2.Server({ hostKeys: [host.private], ident: "VirtualGhost" }, (connection) => {
		connection.on("error", () => {});
		connection.on("authentication", (context) => context.accept());
		connection.on("session", (accept) => {
			const session = accept();
			session.on("exec", (acceptExec) => onChannel(acceptExec(), connection));
			session.on("subsystem", (acceptSubsystem) => onChannel(acceptSubsystem(), connection));
		});
	});
	// Not a pair of streams in this process: ssh2 does not bear an answer that comes while it still writes.
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const socket = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
	try {
		return { session: await GuestSession.open(socket, LOGIN), cut: () => socket.destroy() };
	} finally {
		server.close();
	}
}

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");
/** Messages that a server may send once a user is in (RFC 4254), to the first channel and to others. */
const MESSAGES = [
	hex("50 00000004 70696e67 01"), // global request "ping"
	hex("51 00000016"), // request success, with a port
	hex("52"),
	hex("5a 0000000f 666f727761726465642d746370697000000001 00200000 00008000 00000001 61 00000016 00000001 62 00000017"),
	hex("5b 00000001 00000000 00200000 00008000"), // channel confirmation
	hex("5c 00000001 00000002 00000002 6e6f 00000000"), // channel failure
	hex("5d 00000000 7fffffff"), // window
	hex("5e 00000000 00000005 68656c6c6f"), // data
	hex("5f 00000000 00000001 00000005 68656c6c6f"), // stderr
	hex("60 00000000"), // EOF
	hex("61 00000000"), // close
	hex("62 00000000 0000000b 657869742d737461747573 00 00000000"), // exit status
	hex("62 00000000 0000000b 657869742d7369676e616c 00 00000004 4b494c4c 00 00000000 00000000"), // exit signal
	hex("63 00000000"),
	hex("34"), // user authentication success, once more
	hex("01 00000002 00000003 627965 00000000"), // disconnect
	hex("14 00000000000000000000000000000000 00000000 00000000"), // keys anew, badly
];

test(
	"after the login: any messages leave a command with an answer or an error",
	async () => {
		const property = fc.asyncProperty(fc.array(spoilt(MESSAGES), { minLength: 1, maxLength: 6 }), async (messages) => {
			const { session, cut } = await ends(
				agent((channel, connection) => {
					for (const message of messages) if (message.length > 0) send(connection, message);
					channel.on("error", () => {});
					setImmediate(cut);
				}),
			);
			await outcome(session.exec("true"));
			session[Symbol.dispose]();
		});
		await fc.assert(property, effort(60));
	},
	FUZZ_TIMEOUT_MS,
);

const REPLIES = [
	'{"ok":true,"protocol":1,"version":"0.1.0"}\n',
	'{"ok":false,"error":"no"}\n',
	'{"ok":true}\n{"ok":true}\n',
];

test(
	"the agent's answers to the control channel: taken, or one error for the user",
	async () => {
		const property = fc.asyncProperty(spoilt(REPLIES), spoilt(REPLIES), cuts, async (first, second, where) => {
			const { session } = await ends(
				agent((channel) => {
					channel.on("error", () => {});
					channel.resume();
					for (const piece of pieces(Buffer.concat([first, second]), where)) channel.write(piece);
					channel.end();
				}),
			);
			await outcome(session.control({ op: "poweroff" }));
			session[Symbol.dispose]();
		});
		await fc.assert(property, effort(60));
	},
	FUZZ_TIMEOUT_MS,
);

test(
	"an agent that opens 100,000 connections to us gets none and costs nothing",
	async () => {
		const forwarded = MESSAGES[3] ?? Buffer.alloc(0);
		let refused = 0;
		const more = await growth(async () => {
			const { session, cut } = await agent((channel, connection) => {
				const protocol = (connection as unknown as { _protocol: { _handlers: Record<string, unknown> } })._protocol;
				const { promise, resolve } = Promise.withResolvers<void>();
				protocol._handlers.CHANNEL_OPEN_FAILURE = () => ++refused === 100_000 && resolve();
				const open = async () => {
					for (let i = 0; i < 100_000; i++) {
						send(connection, forwarded);
						if (i % 200 === 0) await new Promise((next) => setImmediate(next));
					}
					await promise;
					channel.exit(0);
					channel.end();
				};
				void open();
			});
			expect((await ends(session.exec("true"), 50_000)).code).toBe(0);
			session[Symbol.dispose]();
			cut();
		});
		expect(refused).toBe(100_000);
		expect(more).toBeLessThan(100);
	},
	FUZZ_TIMEOUT_MS,
);

let folder: string;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "vg-fuzz-"));
	mkdirSync(join(folder, "here"));
});
afterEach(() => {
	expect(readdirSync(folder)).toEqual(["here"]);
	rmSync(folder, { recursive: true, force: true });
});

/** SFTP replies (version 3) without length and request number: kind, then the rest. */
const SFTP_REPLIES = [
	"65 00000000 00000002 6f6b 00000000", // status: fine
	"65 00000001 00000003 656f66 00000000", // status: end
	"65 00000002 00000002 6e6f 00000000", // status: no such file
	"66 00000001 68", // handle
	"67 00000004 6576696c", // data
	"68 00000001 00000001 66 00000001 66 00000004 000081a4", // name: a file
	"68 00000001 00000008 2e2e2f2e2e2f6576 00000001 66 00000004 000041ed", // name: ../../ev, a folder
	"68 00000001 00000001 6c 00000001 6c 00000004 0000a1ff", // name: a link
	"68 00000000",
	"69 00000004 000041ed", // attributes: a folder
	"69 0000000f 0000000000000004 00000000 00000000 000081a4 00000001 00000001", // attributes: a file
].map(hex);

/** Answers each request in turn with a reply of `script`, under its number; then the end. */
function answerFrom(script: readonly Buffer[]): (channel: ServerChannel) => void {
	return (channel) => {
		let pending = Buffer.alloc(0);
		let turn = -1;
		channel.on("error", () => {});
		channel.on("data", (bytes: Buffer) => {
			pending = Buffer.concat([pending, bytes]);
			while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32BE(0)) {
				const request = pending.subarray(4, 4 + pending.readUInt32BE(0));
				pending = pending.subarray(4 + request.length);
				const reply = turn < 0 ? hex("02 00000003") : script[turn];
				turn++;
				if (reply === undefined) return void channel.end();
				const numbered =
					turn === 0 ? reply : Buffer.concat([reply.subarray(0, 1), request.subarray(1, 5), reply.subarray(1)]);
				const length = Buffer.alloc(4);
				length.writeUInt32BE(numbered.length);
				channel.write(Buffer.concat([length, numbered]));
			}
		});
	};
}

test(
	"SFTP: whatever is answered, a copy ends, and writes nowhere but into its destination",
	async () => {
		const script = fc.array(spoilt(SFTP_REPLIES), { maxLength: 14 });
		const property = fc.asyncProperty(script, async (replies) => {
			await using guest = await startGuest({ raw: answerFrom(replies) });
			const controller = new AbortController();
			const copy = download(guest.task(controller.signal), "top", join(folder, "here/copy"));
			await outcome(copy);
			rmSync(join(folder, "here"), { recursive: true, force: true });
			mkdirSync(join(folder, "here"));
		});
		await fc.assert(property, effort(40));
	},
	FUZZ_TIMEOUT_MS,
);
