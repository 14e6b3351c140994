/** Runs our scripts in the guest, as root, and turns what they say into a fault. The guest is not trusted: its words are shown, not obeyed. */
import { Fault } from "../errors.ts";
import type { GuestSession } from "../ssh/client.ts";
import { quoteCommand } from "../ssh/quote.ts";

const FOLDER = "/usr/lib/virtualghost";
/** A file system of a big disk on an emulated processor of a busy host. */
const TIMEOUT_MS = 180_000;
const WORDS_MAX = 300;

/** @throws Fault that begins with `what` if the script fails */
export async function runScript(
	root: GuestSession,
	what: string,
	name: string,
	args: readonly string[] = [],
): Promise<string> {
	const { code, stdout, stderr } = await root.exec(quoteCommand([`${FOLDER}/${name}`, ...args]), {
		timeoutMs: TIMEOUT_MS,
	});
	if (code === 0) return stdout.toString("utf8");
	const why = stderr.toString("utf8").trim().split("\n").at(-1)?.slice(0, WORDS_MAX);
	throw new Fault(what, { why: why || `${name} ended with ${code ?? "a signal"} in the guest` });
}
