/** `virtualghost screenshot [NAME] -o FILE`: what the machine's screen shows now, as PNG. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { EXIT, Fault, reason } from "../errors.ts";
import { sendCommand } from "../vm/command-socket.ts";
import { findInstance } from "../vm/registry.ts";
import type { Context } from "./context.ts";

export interface ScreenshotFlags {
	readonly name: string | undefined;
	/** `-` is stdout. */
	readonly output: string;
}

export async function screenshot(context: Context, flags: ScreenshotFlags): Promise<number> {
	if (flags.output === "-" && process.stdout.isTTY) {
		throw new Fault("Standard output is a terminal", {
			why: "a picture would take control of it",
			fix: "name a file, or redirect it",
			exitCode: EXIT.usage,
		});
	}
	const { folder, record } = findInstance(context.directories.runtime, flags.name);
	const { path } = await sendCommand(folder, { command: "screenshot" });
	if (path === undefined || dirname(resolve(path)) !== resolve(folder)) {
		throw new Fault(`The launcher of ${record.name} gave no picture`);
	}
	try {
		const picture = readFileSync(path);
		if (flags.output === "-") process.stdout.write(picture);
		else writeFileSync(flags.output, picture);
	} catch (error) {
		throw new Fault(`The picture cannot be written to ${flags.output}`, { why: reason(error), exitCode: EXIT.failure });
	} finally {
		rmSync(path, { force: true });
	}
	return EXIT.ok;
}
