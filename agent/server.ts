/** The guest's SSH server: one public key, two accounts, sessions and TCP forwarding. */
import { timingSafeEqual } from "node:crypto";
import net from "node:net";
import ssh2, { type AuthContext, type Connection, type ParsedKey, type TcpipBindInfo } from "ssh2";
import type { Credentials } from "./credentials.ts";
import { forwardToService, RemoteForwards } from "./forward.ts";
import { CONNECTIONS_MAX, Gate } from "./gate.ts";
import { serveSession } from "./session.ts";
import { type Account, findAccount } from "./users.ts";

/** As sshd's MaxAuthTries. */
const AUTH_TRIES_MAX = 6;
/** Channels of one connection; sshd's MaxSessions is 10, and forwarded connections come on top. */
const CHANNELS_MAX = 256;
/** For the last message to be read. */
const GOODBYE_MS = 500;
const KEEPALIVE_MS = 15_000;
const KEEPALIVE_MISSED_MAX = 3;

/** What to say to one attempt: no, yes this key would do (a client may ask first), or in, as that account. */
export function judge(context: AuthContext, authorized: ParsedKey): "no" | "key would do" | Account {
	const account = findAccount(context.username);
	if (context.method !== "publickey" || !account) return "no";
	const wanted = authorized.getPublicSSH();
	const sameKey = context.key.data.length === wanted.length && timingSafeEqual(context.key.data, wanted);
	if (context.key.algo !== authorized.type || !sameKey) return "no";
	if (!context.signature || !context.blob) return "key would do";
	return authorized.verify(context.blob, context.signature, context.hashAlgo) === true ? account : "no";
}

/** A `net.Server` that speaks SSH on every connection. */
export function createAgentServer(credentials: Credentials): net.Server {
	const gate = new Gate();
	const settings = {
		hostKeys: [credentials.hostKey],
		ident: "VirtualGhost",
		keepaliveInterval: KEEPALIVE_MS,
		keepaliveCountMax: KEEPALIVE_MISSED_MAX,
	};
	const ssh = new ssh2.Server(settings, (client: Client) => {
		serveClient(client, credentials.authorizedKey, () => client._sock && gate.release(client._sock));
	});
	const outer = net.createServer({ allowHalfOpen: false }, (socket) =>
		gate.admit(socket, () => ssh.injectSocket(gatherWrites(socket))),
	);
	outer.maxConnections = CONNECTIONS_MAX;
	return outer;
}

/** ssh2 keeps the socket to itself. */
type Client = Connection & { readonly _sock?: net.Socket };

/** Says goodbye and hangs up: vhost-device-vsock (0.3.0) tells its side nothing of a connection that is only half closed. */
function drop(client: Client): void {
	client.end();
	setTimeout(() => client._sock?.destroy(), GOODBYE_MS);
}

function serveClient(client: Client, authorized: ParsedKey, loggedIn: () => void): void {
	let account: Account | null = null;
	let tries = 0;
	let channels = 0;
	client.on("authentication", (context) => {
		const verdict = judge(context, authorized);
		// Before accept(), which reports "ready" at once.
		if (typeof verdict === "object") account = verdict;
		if (verdict === "no") context.reject(["publickey"]);
		else context.accept();
		// "none" is how a client asks for the methods: it does not count.
		if (verdict === "no" && context.method !== "none" && ++tries >= AUTH_TRIES_MAX) drop(client);
	});
	client.on("ready", () => {
		loggedIn();
		if (account === null) return drop(client);
		serveForwards(client, account);
	});
	// A peer that breaks the protocol loses its connection, nothing else.
	client.on("error", () => drop(client));
	client.on("session", (accept, reject) => {
		if (account === null || channels >= CHANNELS_MAX) return reject();
		channels++;
		const session = accept();
		session.once("close", () => channels--);
		serveSession(session, account);
	});
	client.on("tcpip", (accept, reject, info) => {
		if (account === null || channels >= CHANNELS_MAX) return reject();
		channels++;
		forwardToService(info, accept, reject).once("close", () => channels--);
	});
}

function serveForwards(client: Connection, account: Account): void {
	const forwards = new RemoteForwards(client, account.uid === 0);
	client.on("request", (accept, reject, name, info) => {
		const bind = info as TcpipBindInfo;
		if (name === "tcpip-forward") {
			forwards.listen(bind).then(
				(port) => accept?.(port),
				() => reject?.(),
			);
		} else if (name === "cancel-tcpip-forward" && forwards.cancel(bind)) accept?.();
		else reject?.();
	});
}

/** ssh2 hands over each packet in three pieces, and each would be a packet of the vsock: what is written in one turn goes out as one. */
function gatherWrites(socket: net.Socket): net.Socket {
	const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
	socket.write = ((...args: unknown[]) => {
		if (socket.writableCorked === 0) {
			socket.cork();
			process.nextTick(() => socket.uncork());
		}
		return write(...args);
	}) as net.Socket["write"];
	return socket;
}
