/** The guest's SSH server: public key only, one user, limits on the outer listener since ssh2 has none. */
import { timingSafeEqual } from "node:crypto";
import net from "node:net";
import ssh2, { type AuthContext, type Connection, type ParsedKey } from "ssh2";
import { GUEST_USER } from "../src/wire/names.ts";
import type { Credentials } from "./credentials.ts";
import { serveSession } from "./session.ts";

/** Time from the connection to a finished login, as sshd's LoginGraceTime. */
const LOGIN_GRACE_MS = 10_000;
const CONNECTIONS_MAX = 64;
const UNAUTHENTICATED_MAX = 10;

/** Decides one authentication attempt. Anything but the launcher's key for the session's user is refused. */
export function authenticate(context: AuthContext, authorized: ParsedKey): void {
	if (context.method !== "publickey") return context.reject(["publickey"]);
	const wanted = authorized.getPublicSSH();
	const sameKey = context.key.data.length === wanted.length && timingSafeEqual(context.key.data, wanted);
	if (context.username !== GUEST_USER || context.key.algo !== authorized.type || !sameKey) {
		return context.reject(["publickey"]);
	}
	// Without a signature the client only asks whether this key would do.
	if (!context.signature || !context.blob) return context.accept();
	if (authorized.verify(context.blob, context.signature, context.hashAlgo) === true) context.accept();
	else context.reject(["publickey"]);
}

/** A `net.Server` that speaks SSH on every connection. */
export function createAgentServer(credentials: Credentials): net.Server {
	let unauthenticated = 0;
	const ssh = new ssh2.Server({ hostKeys: [credentials.hostKey], ident: "VirtualGhost" }, (client) => {
		serveClient(client, credentials.authorizedKey);
	});
	const outer = net.createServer((socket) => {
		if (unauthenticated >= UNAUTHENTICATED_MAX) return socket.destroy();
		unauthenticated++;
		let pending = true;
		const settled = () => {
			if (pending) unauthenticated--;
			pending = false;
			clearTimeout(grace);
		};
		const grace = setTimeout(() => socket.destroy(), LOGIN_GRACE_MS);
		socket.once("close", settled);
		socket.once("authenticated", settled);
		socket.on("error", () => socket.destroy());
		ssh.injectSocket(socket);
	});
	outer.maxConnections = CONNECTIONS_MAX;
	return outer;
}

function serveClient(client: Connection & { _sock?: net.Socket }, authorized: ParsedKey): void {
	client.on("authentication", (context) => authenticate(context, authorized));
	client.on("ready", () => client._sock?.emit("authenticated"));
	// A peer that breaks the protocol loses its connection, nothing else.
	client.on("error", () => client.end());
	client.on("session", (accept) => serveSession(accept()));
	client.on("tcpip", (_accept, reject) => reject());
	client.on("request", (_accept, reject) => reject?.());
}
