/**
 * `virtualghost gpu-helper`: the root half of `--gpu BDF`, started by the launcher through sudo or pkexec, and hidden from the help.
 * It reads no configuration, no environment but who asked, and no words but those of its grammar.
 */
import { writeSync } from "node:fs";
import { EXIT, Fault } from "../errors.ts";
import { exitLeavingChildren, surviveParent } from "../host/parent.ts";
import { askingUser, parseHelperWords } from "../vfio/grammar.ts";
import { serveRequest } from "../vfio/guardian.ts";
import { StreamLine } from "../vfio/line.ts";
import { hostWorld } from "../vfio/world.ts";

/** Sent by the terminal to all that was started from it; the launcher decides what they mean. */
const TERMINAL_SIGNALS = ["SIGINT", "SIGHUP", "SIGQUIT", "SIGPIPE"] as const;

/** @param words all words of the command line: yargs is kinder than this verb may be. @throws Fault before anything is done */
export async function gpuHelper(words: readonly string[]): Promise<number> {
	// The card has to be given back after the launcher was killed, too.
	surviveParent();
	const request = parseHelperWords(words);
	if (request === null) {
		throw new Fault("gpu-helper is for virtualghost itself", {
			why: "it takes hold|bind BDF [--force] or restore [BDF], and nothing else",
			fix: "use `virtualghost gpu` and `virtualghost run --gpu`",
			exitCode: EXIT.usage,
		});
	}
	if (process.platform !== "linux" || process.geteuid?.() !== 0) {
		throw new Fault("gpu-helper needs root on Linux", { fix: "use `virtualghost gpu apply`, which asks for it" });
	}
	const uid = askingUser(process.env);
	for (const signal of TERMINAL_SIGNALS) process.on(signal, () => {});
	const ending = new AbortController();
	// A system that shuts down gets its drivers back, too.
	process.on("SIGTERM", () => ending.abort());
	const line = new StreamLine(process.stdin, (text) => void writeSync(1, text), ending.signal);
	const isDone = await serveRequest(request, uid, hostWorld(), line);
	// Not by Bun's way, which would end (and wait for) a write that hangs in the kernel.
	exitLeavingChildren(isDone ? EXIT.ok : EXIT.failure);
}
