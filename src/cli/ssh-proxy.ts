/** `virtualghost ssh-proxy NAME`: stdin and stdout as the connection to the guest's SSH server, for OpenSSH's ProxyCommand. */
import { once } from "node:events";
import { EXIT } from "../errors.ts";
import { openTransport } from "../network/transport.ts";
import { whenUp } from "../vm/connect.ts";
import { findInstance } from "../vm/registry.ts";
import { AGENT_VSOCK_PORT } from "../wire/names.ts";
import type { Context } from "./context.ts";

export async function sshProxy(context: Context, flags: { name: string | undefined }): Promise<number> {
	const { control } = await whenUp(findInstance(context.directories.runtime, flags.name));
	const guest = await openTransport(control, AGENT_VSOCK_PORT).connect();
	guest.on("error", () => guest.destroy());
	process.stdout.on("error", () => guest.destroy());
	process.stdin.pipe(guest);
	guest.pipe(process.stdout, { end: false });
	guest.resume();
	await once(guest, "close");
	return EXIT.ok;
}
