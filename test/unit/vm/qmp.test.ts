/** QMP against a peer that says anything: a compromised QEMU must not be able to hang or crash the launcher. */
import { expect, test } from "bun:test";
import * as stream from "node:stream";
import fc from "fast-check";
import { Qmp } from "../../../src/vm/qmp.ts";

// @types/bun does not know it yet.
const { duplexPair } = stream as unknown as { duplexPair(): [stream.Duplex, stream.Duplex] };

function connect() {
	const [ours, theirs] = duplexPair();
	return { qmp: new Qmp(ours), theirs };
}

test("greeting, commands out of order, events, errors", async () => {
	const { qmp, theirs } = connect();
	const events: string[] = [];
	qmp.on("event", (event) => events.push(event.event));
	theirs.on("data", (bytes: Buffer) => {
		for (const line of bytes.toString().split("\r\n").filter(Boolean)) {
			const { id, execute } = JSON.parse(line) as { id: number; execute: string };
			if (execute === "bad") theirs.write(`{"id":${id},"error":{"class":"GenericError","desc":"no such thing"}}\r\n`);
			else theirs.write(`{"event":"RESUME","data":{}}\r\n{"id":${id},"return":{"was":"${execute}"}}\r\n`);
		}
	});
	theirs.write('{"QMP":{"version":{}}}\r\n');
	await qmp.negotiate();
	expect(await Promise.all([qmp.execute("a"), qmp.execute("b")])).toEqual([{ was: "a" }, { was: "b" }]);
	expect(qmp.execute("bad")).rejects.toThrow("no such thing");
	await qmp.execute("bad").catch(() => {});
	expect(events.length).toBe(3);
});

test("a connection that closes fails what is waiting, and what comes later", async () => {
	const { qmp, theirs } = connect();
	const waiting = qmp.execute("a");
	theirs.destroy();
	const outcomes = await Promise.all(
		[waiting, qmp.negotiate()].map((each) =>
			each.then(
				() => "ok",
				() => "failed",
			),
		),
	);
	expect(outcomes).toEqual(["failed", "failed"]);
	expect(await qmp.execute("b").catch(() => "failed")).toBe("failed");
});

test("garbage is ignored and the next reply still arrives", async () => {
	await fc.assert(
		fc.asyncProperty(
			fc.array(fc.oneof(fc.string(), fc.json(), fc.constant('{"event":5}'), fc.constant('{"id":1}'))),
			async (garbage) => {
				const { qmp, theirs } = connect();
				const lines = garbage
					.map((line) => line.replaceAll(/[\r\n]/g, " "))
					.filter((line) => !/"(?:id|QMP)"/.test(line));
				theirs.write(lines.map((line) => `${line}\r\n`).join(""));
				const reply = qmp.execute("a");
				theirs.write('{"id":1,"return":"right"}\r\n');
				expect(await reply).toBe("right");
			},
		),
		{ numRuns: 50 },
	);
});
