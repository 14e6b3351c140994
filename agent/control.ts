/** The control subsystem's guest side. */
import { spawn } from "node:child_process";
import type { ServerChannel } from "ssh2";
import packageJson from "../package.json" with { type: "json" };
import {
	CONTROL_LINE_BYTES_MAX,
	type ControlReply,
	type ControlRequest,
	controlRequestSchema,
} from "../src/wire/control.ts";
import { LineSplitter } from "../src/wire/lines.ts";
import { PROTOCOL_VERSION } from "../src/wire/names.ts";

function answer(request: ControlRequest): ControlReply {
	switch (request.op) {
		case "hello":
			if (request.protocol !== PROTOCOL_VERSION) {
				return { ok: false, error: `the guest speaks protocol ${PROTOCOL_VERSION}, the launcher ${request.protocol}` };
			}
			return { ok: true, protocol: PROTOCOL_VERSION, version: packageJson.version };
		case "poweroff":
			spawn("systemctl", ["poweroff"], { stdio: "ignore", detached: true }).unref();
			return { ok: true };
	}
}

function reply(line: string): ControlReply {
	try {
		const request = controlRequestSchema.safeParse(JSON.parse(line));
		return request.success ? answer(request.data) : { ok: false, error: "unknown request" };
	} catch {
		return { ok: false, error: "not a JSON line" };
	}
}

export function serveControl(channel: ServerChannel): void {
	const lines = new LineSplitter(CONTROL_LINE_BYTES_MAX);
	channel.on("data", (bytes: Buffer) => {
		for (const line of lines.push(bytes)) channel.write(`${JSON.stringify(reply(line))}\n`);
	});
	channel.on("end", () => channel.end());
}
