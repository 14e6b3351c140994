/** QEMU's and the guest's lines: QMP, the serial console, the events port, the command socket. */
import { expect, test } from "bun:test";
import * as stream from "node:stream";
import { PassThrough } from "node:stream";
import fc from "fast-check";
import { GuestWatch } from "../../../src/vm/guest-watch.ts";
import type { LogFile } from "../../../src/vm/logs.ts";
import { Qmp } from "../../../src/vm/qmp.ts";
import { encodeEvent } from "../../../src/wire/events.ts";
import { decodeIdentity } from "../../../src/wire/identity.ts";
import { cuts, effort, ends, FUZZ_TIMEOUT_MS, growth, pieces, spoilt } from "./fuzz.ts";

// @types/bun does not know it yet.
const { duplexPair } = stream as unknown as { duplexPair(): [stream.Duplex, stream.Duplex] };

const QMP_LINES = [
	'{"QMP": {"version": {"qemu": {"micro": 3, "minor": 1, "major": 11}, "package": ""}, "capabilities": ["oob"]}}\r\n',
	'{"return": {}, "id": 1}\r\n',
	'{"return": {"status": "running", "running": true}, "id": 2}\r\n{"error": {"class": "GenericError", "desc": "no"}, "id": 3}\r\n',
	'{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-shutdown"}}\r\n',
	'{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "STOP"}\r\n{"event": "GUEST_PANICKED", "data": {"action": "poweroff"}}\r\n',
];

test(
	"QMP: whatever QEMU says, each command is answered, fails or ends with the connection",
	async () => {
		const property = fc.asyncProperty(fc.array(spoilt(QMP_LINES), { maxLength: 6 }), cuts, async (lines, where) => {
			const [ours, theirs] = duplexPair();
			const qmp = new Qmp(ours);
			const settled = Promise.allSettled([qmp.negotiate(), qmp.execute("query-status"), qmp.execute("quit")]);
			theirs.resume();
			for (const piece of pieces(Buffer.concat(lines), where)) theirs.write(piece);
			await new Promise((resolve) => setImmediate(resolve));
			theirs.end();
			theirs.destroy();
			await ends(settled);
		});
		await fc.assert(property, effort(300));
	},
	FUZZ_TIMEOUT_MS,
);

const EVENTS = [
	encodeEvent({ event: "initramfs" }),
	encodeEvent({ event: "agent", protocol: 1, version: "0.1.0" }),
	encodeEvent({ event: "graphics", version: "4.3", renderer: "virgl", steppedDown: null }),
	encodeEvent({ event: "waiting", protocol: 1 }),
	encodeEvent({ event: "alive" }),
	encodeEvent({
		event: "session-ended",
		result: "success",
		status: "exited 0",
		terminalWasUp: true,
		log: "last words\n\u001b[31mred",
	}),
];
const CONSOLE = ["virtualghost: initramfs\n", "virtualghost: fatal: no root disk\n", "[    0.1] Linux\r\n\u001b[2J"];
const NO_LOG = { write: () => {} } as unknown as LogFile;

test(
	"console and events: nothing throws, what is kept is bounded, and the next true word is heard",
	async () => {
		const streams = fc.tuple(fc.array(spoilt(EVENTS)), fc.array(spoilt(CONSOLE)), cuts);
		const property = fc.asyncProperty(streams, async ([events, console, where]) => {
			const ports = { serial: new PassThrough(), events: new PassThrough() };
			const watch = new GuestWatch(ports, NO_LOG);
			for (const piece of pieces(Buffer.concat(events), where)) ports.events.write(piece);
			for (const piece of pieces(Buffer.concat(console), where)) ports.serial.write(piece);
			ports.events.write(`\n${encodeEvent({ event: "terminal-up" })}`);
			await ends(watch.reached("terminal"));
			expect(watch.fatal?.length ?? 0).toBeLessThan(5000);
			expect(watch.sessionEnd?.log.length ?? 0).toBeLessThan(10_000);
			expect(watch.graphics?.renderer.length ?? 0).toBeLessThan(300);
		});
		await fc.assert(property, effort(300));
	},
	FUZZ_TIMEOUT_MS,
);

test(
	"an identity is taken whole or not at all",
	() => {
		const good = JSON.stringify({ event: "identity", hostKey: "k", authorizedKey: "a", hostname: "h", unixMs: 1 });
		const property = fc.property(spoilt([good]), (bytes) => {
			const identity = decodeIdentity(bytes.toString());
			expect(identity === null || typeof identity.hostKey === "string").toBe(true);
		});
		fc.assert(property, effort(1000));
	},
	FUZZ_TIMEOUT_MS,
);

test(
	"floods without a newline, and of lines that say nothing, do not grow the launcher",
	async () => {
		const flood = Buffer.alloc(64 * 1024, "x");
		const lines = Buffer.from(encodeEvent({ event: "alive" }).repeat(3000));
		const more = await growth(async () => {
			const [ours, theirs] = duplexPair();
			const qmp = new Qmp(ours);
			qmp.on("event", () => {});
			const ports = { serial: new PassThrough(), events: new PassThrough() };
			new GuestWatch(ports, NO_LOG);
			for (let i = 0; i < 1500; i++) {
				for (const each of [theirs, ports.serial, ports.events]) each.write(i % 3 === 0 ? lines : flood);
				if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
			}
		});
		// 280 MB went in; QMP itself may hold a line of 4 million characters, and what a collector leaves lying differs by some dozen MB.
		expect(more).toBeLessThan(128);
	},
	FUZZ_TIMEOUT_MS,
);
