/** `virtualghost shell [NAME]`: a login shell in a running machine, on this terminal. */
import { connectInstance } from "../vm/connect.ts";
import { findInstance } from "../vm/registry.ts";
import { attach, localEnvironment, localPty } from "./attach.ts";
import type { Context } from "./context.ts";

export interface ShellFlags {
	readonly name: string | undefined;
	readonly root: boolean;
}

export async function shell(context: Context, flags: ShellFlags): Promise<number> {
	const found = findInstance(context.directories.runtime, flags.name);
	using session = await connectInstance(found, flags.root ? { user: "root" } : {});
	// Without a terminal here it reads its commands from stdin, as `ssh host < script` does.
	const pty = process.stdin.isTTY === true;
	const channel = await session.stream(null, { pty: pty ? localPty() : undefined, env: localEnvironment() });
	return await attach(channel, { pty, stdin: true });
}
