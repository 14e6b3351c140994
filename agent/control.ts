/** The control subsystem's guest side. */
import { existsSync } from "node:fs";
import type { ServerChannel } from "ssh2";
import packageJson from "../package.json" with { type: "json" };
import {
	CONTROL_LINE_BYTES_MAX,
	type ControlReply,
	type ControlRequest,
	controlRequestSchema,
} from "../src/wire/control.ts";
import { LineSplitter } from "../src/wire/lines.ts";
import { GUEST_PATH, PROTOCOL_VERSION, SESSION_OFF_OPTION } from "../src/wire/names.ts";
import { hasKernelOption } from "./kernel-options.ts";
import { changeScreen } from "./screen.ts";

/** Answers the requests of one client. */
export class ControlClient {
	#greeted = false;

	async reply(line: string): Promise<ControlReply> {
		try {
			const request = controlRequestSchema.safeParse(JSON.parse(line));
			return request.success ? await this.#answer(request.data) : refuse("unknown request");
		} catch (error) {
			return refuse(error instanceof SyntaxError ? "not a JSON line" : String(error));
		}
	}

	async #answer(request: ControlRequest): Promise<ControlReply> {
		if (request.op === "hello") return this.#hello(request.protocol);
		if (!this.#greeted) return refuse("the first request must be a hello");
		switch (request.op) {
			case "state":
				return { ok: true, session: sessionState() };
			case "set-clock":
				return await setClock(request.unixMs);
			case "screen":
				return { ok: true, screen: await changeScreen(request.size) };
			case "poweroff":
				Bun.spawn(["systemctl", "poweroff"], { stdio: ["ignore", "ignore", "ignore"], detached: true }).unref();
				return { ok: true };
		}
	}

	#hello(protocol: number): ControlReply {
		if (protocol !== PROTOCOL_VERSION) {
			return refuse(
				`the guest's agent ${packageJson.version} speaks protocol ${PROTOCOL_VERSION}, the launcher ${protocol}`,
			);
		}
		this.#greeted = true;
		return { ok: true, protocol: PROTOCOL_VERSION, version: packageJson.version };
	}
}

function refuse(error: string): ControlReply {
	return { ok: false, error };
}

function sessionState(): "off" | "starting" | "up" | "ended" {
	if (existsSync(GUEST_PATH.sessionEnded)) return "ended";
	if (existsSync(GUEST_PATH.terminalUp)) return "up";
	return hasKernelOption(SESSION_OFF_OPTION) ? "off" : "starting";
}

async function setClock(unixMs: number): Promise<ControlReply> {
	const argv = ["date", "--utc", `--set=@${(unixMs / 1000).toFixed(3)}`];
	const code = await Bun.spawn(argv, { stdio: ["ignore", "ignore", "ignore"] }).exited;
	return code === 0 ? { ok: true, unixMs: Date.now() } : refuse("the clock cannot be set");
}

export function serveControl(channel: ServerChannel): void {
	const lines = new LineSplitter(CONTROL_LINE_BYTES_MAX);
	const client = new ControlClient();
	let last: Promise<unknown> = Promise.resolve();
	channel.on("data", (bytes: Buffer) => {
		for (const line of lines.push(bytes)) {
			last = last.then(async () => channel.write(`${JSON.stringify(await client.reply(line))}\n`));
		}
	});
	channel.on("end", () => void last.then(() => channel.end()));
}
