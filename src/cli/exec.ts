/** `virtualghost exec [NAME] -- CMD…`: one command in a running machine, with its streams and its exit code. */
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
		return await execIn(session, line, flags);
	});
}

/** Runs a prepared command line on a session and returns the code to exit with. */
export async function execIn(
	session: GuestSession,
	line: string,
	{ tty, stdin }: Pick<CommandFlags, "tty" | "stdin">,
): Promise<number> {
	const channel = await session.stream(line, { pty: tty ? localPty() : undefined, env: localEnvironment() });
	return await attach(channel, { pty: tty, stdin });
}
