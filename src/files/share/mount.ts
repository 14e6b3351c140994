/** Mounts a folder of the host's in the guest: its sshfs on one end of an SSH channel, our server on the other. */
import type { ClientChannel } from "ssh2";
import { Fault, reason } from "../../errors.ts";
import type { GuestSession } from "../../ssh/client.ts";
import { quoteCommand } from "../../ssh/quote.ts";
import { GUEST_UID } from "../../wire/names.ts";
import { runScript } from "../guest-scripts.ts";
import { serveShare } from "./serve.ts";

export interface Mount {
	/** Real path here. */
	readonly source: string;
	/** In the guest. */
	readonly target: string;
	readonly writable: boolean;
}

/** Of what sshfs says, which is the guest's. */
const WORDS_MAX = 2000;

/**
 * Resolves when the folder is there, and stays until the session ends. `lost` is told when it ends before that.
 *
 * @throws Fault
 */
export async function mountShare(root: GuestSession, mount: Mount, lost: (why: string) => unknown): Promise<void> {
	const { source, target, writable } = mount;
	const channel = await root.stream(quoteCommand(["/usr/lib/virtualghost/share", target, writable ? "rw" : "ro"]));
	const words = collectWords(channel);
	let isMounted = false;
	const served = serveShare(channel, { root: source, writable, uid: GUEST_UID, gid: GUEST_UID })
		.catch((error: unknown) => reason(error))
		.then((why) => {
			channel.close();
			return why ?? (words().trim().split("\n").at(-1) || "the connection to the guest has ended");
		});
	void served.then((why) => isMounted && lost(why));
	const what = `The folder ${source} could not be mounted at ${target}`;
	const failed = served.then((why) => {
		throw new Fault(what, { why });
	});
	const ready = runScript(root, what, "share-ready", [target]);
	// Who loses the race is not waited for.
	for (const each of [failed, ready]) each.catch(() => {});
	await Promise.race([ready, failed]);
	isMounted = true;
}

function collectWords(channel: ClientChannel): () => string {
	let words = "";
	channel.stderr.on("data", (bytes: Buffer) => {
		words = (words + bytes.toString("utf8")).slice(-WORDS_MAX);
	});
	channel.on("error", () => {});
	return () => words;
}
