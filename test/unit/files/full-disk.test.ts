/** The watcher over QEMU's events; the real thing, with a disk that fills, is in test/vm/files.test.ts. */
import { expect, test } from "bun:test";
import { PassThrough } from "node:stream";
import { watchFullDisk } from "../../../src/files/full-disk.ts";
import { Qmp } from "../../../src/vm/qmp.ts";

test("tells once, and lets the guest go on", async () => {
	const wire = new PassThrough();
	const sent: string[] = [];
	// One end of a pair: what it reads is QEMU's, what it writes is ours.
	const stream = Object.assign(wire, { write: (text: string) => sent.push(text) > 0 }) as never;
	const qmp = new Qmp(stream);
	let kept = 0;
	const said: string[] = [];
	const event = {
		event: "BLOCK_IO_ERROR",
		data: { "node-name": "home", action: "stop", nospace: false, reason: "I/O" },
	};
	{
		using _watch = watchFullDisk({ qmp, keepSessions: () => kept++ }, new Map([["home", "/tmp/x.qcow2"]]), {
			warn: (text) => said.push(text),
		});
		wire.push(`${JSON.stringify({ ...event, data: { ...event.data, action: "report" } })}\r\n`);
		await Bun.sleep(10);
		expect(said).toEqual([]);
		for (let i = 0; i < 3; i++) wire.push(`${JSON.stringify(event)}\r\n`);
		await Bun.sleep(10);
		expect(said).toEqual([expect.stringContaining("the machine is paused: /tmp/x.qcow2 cannot be written (I/O)")]);
		while (sent.length === 0) await Bun.sleep(20);
	}
	expect(sent).toEqual([expect.stringContaining('"execute":"cont"')]);
	expect(kept).toBe(1);
	expect(qmp.listenerCount("event")).toBe(0);
});
