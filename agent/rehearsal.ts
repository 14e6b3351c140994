/**
 * What a restored machine does first, done once before it becomes a snapshot: the snapshot then has the compiled code and the pages of it, which takes
 * an emulated processor a second. With keys of its own that nobody sees and that end with it.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { rmSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import ssh2 from "ssh2";
import { decodeIdentity, ENTROPY_BYTES, encodeIdentity, type Identity } from "../src/wire/identity.ts";
import { GUEST_PATH, GUEST_USER } from "../src/wire/names.ts";
import { parseCredentials } from "./credentials.ts";
import { createAgentServer } from "./server.ts";

const SOCKET = join(GUEST_PATH.run, "rehearsal");
/** Code that has run a few times is compiled better. */
const LOGINS = 3;
const LOGIN_TIMEOUT_MS = 30_000;

/** Never fails: a machine that could not rehearse is a slower one. `take` is what is done with an identity's random bytes. */
export async function rehearse(take: (entropy: Buffer) => void): Promise<void> {
	let server: net.Server | null = null;
	try {
		const host = ssh2.utils.generateKeyPairSync("ed25519");
		const client = ssh2.utils.generateKeyPairSync("ed25519");
		const identity = decodeIdentity(encodeIdentity(madeUp(host.private, client.public)));
		if (identity === null) throw new Error("a made-up identity is none");
		take(Buffer.from(identity.entropy, "base64"));
		server = createAgentServer(parseCredentials(identity));
		server.listen(SOCKET);
		await once(server, "listening");
		for (let i = 0; i < LOGINS; i++) await login(client.private);
	} catch (error) {
		process.stderr.write(`virtualghost-agent: no rehearsal: ${String(error)}\n`);
	} finally {
		server?.close();
		rmSync(SOCKET, { force: true });
	}
}

function madeUp(hostKey: string, authorizedKey: string): Identity {
	return {
		hostKey,
		authorizedKey,
		hostname: "rehearsal",
		machineId: randomBytes(16).toString("hex"),
		unixMs: Date.now(),
		entropy: randomBytes(ENTROPY_BYTES).toString("base64"),
		gpu: "none",
		gpuFallback: false,
		scale: 1,
		sessionLater: false,
	};
}

/** A login and a command, as the launcher's. */
async function login(privateKey: string): Promise<void> {
	const { promise, resolve, reject } = Promise.withResolvers<void>();
	const client = new ssh2.Client();
	client.on("error", reject);
	client.on("close", () => resolve());
	client.on("ready", () =>
		client.exec("true", (error, channel) => {
			if (error) return reject(error);
			channel.on("close", () => client.end());
			channel.resume();
		}),
	);
	client.connect({ sock: net.connect(SOCKET), username: GUEST_USER, privateKey, readyTimeout: LOGIN_TIMEOUT_MS });
	await promise;
}
