/** `virtualghost forward [NAME] PORTS…`: ports of this host that lead into the machine, until Ctrl+C. */
import { EXIT, Fault } from "../errors.ts";
import { Interrupts, interruptExitCode, rejectOn } from "../interrupts.ts";
import { connectInstance } from "../vm/connect.ts";
import { describeForward, type Forward, isLoopback, openForward, parseForward } from "../vm/forwards.ts";
import { findInstance } from "../vm/registry.ts";
import type { Context } from "./context.ts";
import { printError } from "./output.ts";

export interface ForwardFlags {
	readonly name: string | undefined;
	/** `[ip:]host:guest` */
	readonly ports: readonly string[];
}

/** A name has no colon, a port has: so either may come first. */
export function splitForwardWords(words: readonly string[]): ForwardFlags {
	const [first, ...rest] = words;
	if (first !== undefined && !first.includes(":")) return { name: first, ports: rest };
	return { name: undefined, ports: words };
}

export async function forward(context: Context, flags: ForwardFlags): Promise<number> {
	if (flags.ports.length === 0) {
		throw new Fault("Which port? None was given", {
			fix: "for example: virtualghost forward 8080:80",
			exitCode: EXIT.usage,
		});
	}
	const asked = flags.ports.map(parseForward);
	using interrupts = new Interrupts();
	const found = findInstance(context.directories.runtime, flags.name);
	const stopped = rejectOn(interrupts.signal);
	using session = await Promise.race([connectInstance(found, { signal: interrupts.signal }), stopped]);
	using scope = new DisposableStack();
	for (const each of asked) {
		const opened = scope.use(await openForward(each, (port) => session.connect("127.0.0.1", port)));
		warnIfOpen(opened);
		printError(`${describeForward(opened)}\n`);
	}
	await Promise.race([session.closed, stopped.catch(() => {})]);
	if (interrupts.first) return interruptExitCode(interrupts.first);
	throw new Fault(`The machine ${found.record.name} has ended`);
}

export function warnIfOpen({ host, hostPort }: Forward): void {
	if (!isLoopback(host)) printError(`virtualghost: warning: port ${hostPort} is open to your network (${host})\n`);
}
