/** `run --detach`: the same program once more, in a session of its own; this one waits until the machine is up and goes. */
import { writeSync } from "node:fs";
import { z } from "zod";
import { EXIT, Fault } from "../errors.ts";
import { exitLeavingChildren } from "../host/parent.ts";
import { Interrupts, interruptExitCode } from "../interrupts.ts";
import { adoptSocket } from "../network/adopt.ts";
import { onFirstLine } from "../wire/lines.ts";
import type { Environment } from "./context.ts";

/** Set for the one in the background. Its descriptor 3 leads to the one that waits. */
const MARK = "VIRTUALGHOST_DETACHED";
const ANNOUNCE_FD = 3;
const LINE_CHARS_MAX = 4096;

const announcementSchema = z.object({ name: z.string() });
type Announcement = z.infer<typeof announcementSchema>;
export type Announce = (announcement: Announcement) => void;

/** How the background process says that its machine is up; null in the one that was called. */
export function detachedAnnouncer(env: Environment): Announce | null {
	if (env[MARK] === undefined) return null;
	return (announcement) => {
		try {
			writeSync(ANNOUNCE_FD, `${JSON.stringify(announcement)}\n`);
		} catch {
			// Whoever called is gone; the machine runs all the same.
		}
	};
}

/** Prints the machine's name and exits when it is up. Otherwise resolves with the background process's exit code. */
export async function detach(argv: readonly string[], env: Environment): Promise<number> {
	if (process.platform !== "linux") {
		throw new Fault("--detach works on Linux only so far", {
			why: "elsewhere the machine would end with this process",
			exitCode: EXIT.usage,
		});
	}
	using interrupts = new Interrupts();
	const child = Bun.spawn([process.execPath, ...argv], {
		env: { ...env, [MARK]: "1" },
		// What it has to say before it is up goes through this process: a pipe of the caller's must not stay open for ever.
		stdio: ["ignore", "ignore", "pipe", "pipe"],
		// Neither Ctrl+C here nor the end of this terminal reaches it.
		detached: true,
	});
	const said = relay(child.stderr);
	const announced = firstLine(child.stdio[ANNOUNCE_FD]);
	const outcome = await Promise.race([announced, child.exited, interrupts.next()]);
	if (typeof outcome === "number") {
		await said;
		return outcome === EXIT.ok ? EXIT.failure : outcome;
	}
	if (typeof outcome === "string" && outcome.startsWith("SIG")) {
		child.kill("SIGTERM");
		await Promise.race([child.exited, interrupts.next()]);
		return interruptExitCode(interrupts.first ?? "SIGINT");
	}
	const { name } = announcementSchema.parse(JSON.parse(outcome));
	// Not through Bun's stream, which may still hold it when this process is gone.
	try {
		writeSync(1, `${name}\n`);
	} catch {
		// Nobody wants to know the name; the machine runs all the same.
	}
	exitLeavingChildren(EXIT.ok);
}

async function relay(stderr: ReadableStream<Uint8Array>): Promise<void> {
	for await (const bytes of stderr) process.stderr.write(bytes);
}

function firstLine(fd: unknown): Promise<string> {
	if (typeof fd !== "number") throw new Fault("No socket could be handed over");
	return new Promise((resolve) => onFirstLine(adoptSocket(fd), LINE_CHARS_MAX, resolve));
}
