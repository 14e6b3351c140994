/** `virtualghost exec [NAME] -- CMD…`: one command in a running machine, with its streams and its exit code. */
import type { ClientChannel } from "ssh2";
import { EXIT, Fault } from "../errors.ts";
import type { GuestSession } from "../ssh/client.ts";
import { connectInstance } from "../vm/connect.ts";
import { findInstance } from "../vm/registry.ts";
import { attach, localEnvironment, localPty } from "./attach.ts";
import type { Context } from "./context.ts";
import { asLauncher, type CommandFlags, guestCommandLine } from "./guest-command.ts";

export async function exec(context: Context, flags: CommandFlags & { name: string | undefined }): Promise<number> {
	if (flags.command.length === 0) {
		throw new Fault("There is no command to run", {
			fix: "put it behind two dashes: virtualghost exec -- uname -a",
			exitCode: EXIT.usage,
		});
	}
	return await asLauncher(async () => {
		const line = guestCommandLine(flags, context.env);
		const found = findInstance(context.directories.runtime, flags.name);
		using session = await connectInstance(found, flags.root ? { user: "root" } : {});
		return await attachCommand(await openCommand(session, line, flags), flags);
	});
}

/** Starts a prepared command line on a session. */
export function openCommand(session: GuestSession, line: string, { tty }: CommandFlags): Promise<ClientChannel> {
	return session.stream(line, { pty: tty ? localPty() : undefined, env: localEnvironment() });
}

/** Joins it to this process and resolves with the code to exit with. */
export function attachCommand(channel: ClientChannel, { tty, stdin }: CommandFlags): Promise<number> {
	return attach(channel, { pty: tty, stdin });
}
