/** The launcher's SSH client: a pinned host key, one key of ours, sessions, files and forwarded connections. */
import type { Duplex } from "node:stream";
import ssh2, { type Client, type ClientChannel, type PseudoTtyOptions, type SFTPWrapper } from "ssh2";
import { Fault, reason } from "../errors.ts";
import { CONTROL_LINE_BYTES_MAX, type ControlReply, type ControlRequest, controlReplySchema } from "../wire/control.ts";
import { LineSplitter } from "../wire/lines.ts";
import { CONTROL_SUBSYSTEM, GUEST_USER, PROTOCOL_VERSION } from "../wire/names.ts";

const HANDSHAKE_TIMEOUT_MS = 30_000;
const KEEPALIVE_MS = 15_000;
/** For the last message to go out; ssh2 closes only its own half. */
const GOODBYE_MS = 500;
/** What one command may write into our memory. */
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const CONTROL_TIMEOUT_MS = 30_000;

export interface ExecResult {
	/** Exit code, or null if a signal ended the command. */
	readonly code: number | null;
	readonly signal: string | null;
	readonly stdout: Buffer;
	readonly stderr: Buffer;
}

export interface ExecOptions {
	/** Given to the command's standard input. */
	readonly input?: string | Buffer;
	/** With a PTY of this size. */
	readonly pty?: { readonly cols: number; readonly rows: number };
	readonly timeoutMs?: number;
}

/** How a login is made. */
export interface Login {
	/** Private key, OpenSSH format. */
	readonly identity: string;
	/** The one host key that is accepted, OpenSSH one-line format. */
	readonly hostPublicKey: string;
	/** Default: the session's user. */
	readonly user?: string;
}

export interface StreamOptions {
	readonly pty?: PseudoTtyOptions | undefined;
	/** Only what the agent accepts arrives: LANG, LC_*, TERM, COLORTERM, VIRTUALGHOST_*. */
	readonly env?: Readonly<Record<string, string>> | undefined;
}

/**
 * What ssh2 gives its listeners of a channel's "close". Not to be taken from "exit": that comes as early as the channel itself,
 * before anybody who awaited it can listen.
 */
export type ChannelEnd = [code?: number | null, signal?: string];

/** Null where the guest never said how the program ended. */
export function exitStatus(
	code?: number | null,
	signal?: string,
): { code: number | null; signal: string | null } | null {
	if (typeof code === "number") return { code, signal: null };
	return signal === undefined ? null : { code: null, signal };
}

type ChannelCallback = (error: Error | undefined, channel: ClientChannel) => void;

export class GuestSession implements Disposable {
	readonly #client: Client;
	readonly #transport: Duplex;
	/** Resolves when the connection is gone, whoever closed it. */
	readonly closed: Promise<void>;

	private constructor(client: Client, transport: Duplex) {
		this.#client = client;
		this.#transport = transport;
		this.closed = new Promise((resolve) => client.once("close", () => resolve()));
	}

	/**
	 * Logs in over `transport`.
	 *
	 * @throws Fault if the guest shows another host key, refuses ours, or does not answer in time.
	 */
	static async open(transport: Duplex, login: Login): Promise<GuestSession> {
		const expected = ssh2.utils.parseKey(login.hostPublicKey);
		if (expected instanceof Error) throw new Fault("The pinned host key cannot be read", { cause: expected });
		const client = new ssh2.Client();
		let wrongHostKey = false;
		// A guest that keeps its side open must not cost a descriptor.
		client.on("error", () => transport.destroy());
		await new Promise<void>((resolve, reject) => {
			client.on("ready", () => resolve());
			client.on("error", (error) => reject(wrongHostKey ? hostKeyFault() : loginFault(error)));
			client.on("close", () => reject(loginFault(new Error("the guest closed the connection"))));
			client.connect({
				sock: transport as never,
				username: login.user ?? GUEST_USER,
				privateKey: login.identity,
				readyTimeout: HANDSHAKE_TIMEOUT_MS,
				// The guest could answer with a few bytes that inflate to all of our memory.
				algorithms: { compress: ["none"] },
				// A guest that is frozen, or an agent that is stopped, must not be waited for for ever.
				keepaliveInterval: KEEPALIVE_MS,
				keepaliveCountMax: 3,
				hostVerifier: (key: Buffer) => {
					wrongHostKey = !key.equals(expected.getPublicSSH());
					return !wrongHostKey;
				},
			});
		});
		// From here on a lost connection shows in the call that needs it.
		client.removeAllListeners("error").on("error", () => {});
		// One for each channel that is being opened.
		client.setMaxListeners(0);
		return new GuestSession(client, transport);
	}

	/** Begins to wait anew for a guest that does not answer. ssh2 has it for itself only. */
	keep(): void {
		(this.#client as Client & { readonly _resetKA?: () => void })._resetKA?.();
	}

	/** Starts a shell command line (null: a login shell) and returns its channel; "close" tells how it ended (`ChannelEnd`). */
	stream(command: string | null, { pty, env }: StreamOptions = {}): Promise<ClientChannel> {
		return this.#open((done: ChannelCallback) => {
			const options = { env: { ...env } };
			if (command === null) this.#client.shell(pty ?? false, options, done);
			else this.#client.exec(command, pty ? { ...options, pty } : options, done);
		});
	}

	/** A connection from the guest to `host:port`, as seen from there. @throws Fault if nothing answers. */
	async connect(host: string, port: number): Promise<Duplex> {
		return await this.#open((done: ChannelCallback) => this.#client.forwardOut("127.0.0.1", 0, host, port, done));
	}

	/** File transfer by the guest's own sftp-server. */
	async sftp(): Promise<SFTPWrapper> {
		return await this.#open<SFTPWrapper>((done) => this.#client.sftp(done));
	}

	/** Runs a shell command line as the session's user, to its end. */
	async exec(command: string, options: ExecOptions = {}): Promise<ExecResult> {
		const { input = "", pty, timeoutMs = 60_000 } = options;
		const channel = await this.stream(command, { pty: pty && { ...pty, term: "xterm-256color" } });
		return await new Promise((resolve, reject) => {
			const stdout: Buffer[] = [];
			const stderr: Buffer[] = [];
			const timer = setTimeout(() => {
				channel.close();
				reject(new Fault(`The guest did not finish "${command}" within ${timeoutMs / 1000} s`));
			}, timeoutMs);
			let bytes = 0;
			const collect = (into: Buffer[]) => (chunk: Buffer) => {
				bytes += chunk.length;
				if (bytes <= OUTPUT_BYTES_MAX) return void into.push(chunk);
				channel.close();
				reject(new Fault(`The guest wrote too much in answer to "${command}"`));
			};
			channel.on("data", collect(stdout));
			channel.stderr.on("data", collect(stderr));
			channel.on("close", (...how: ChannelEnd) => {
				clearTimeout(timer);
				const status = exitStatus(...how);
				if (status) resolve({ ...status, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr) });
				else reject(new Fault(`The connection to the guest was lost during "${command}"`));
			});
			channel.end(input);
		});
	}

	/** Asks the agent's control subsystem. @throws Fault with the agent's words if it says no, or speaks another version. */
	async control(request: ControlRequest): Promise<ControlReply & { ok: true }> {
		const channel = await this.#open((done: ChannelCallback) => this.#client.subsys(CONTROL_SUBSYSTEM, done));
		const hello: ControlRequest = { op: "hello", protocol: PROTOCOL_VERSION };
		const requests = request.op === "hello" ? [request] : [hello, request];
		try {
			for (const each of requests) channel.write(`${JSON.stringify(each)}\n`);
			let last: ControlReply | undefined;
			for (const line of await readLines(channel, requests.length)) {
				last = parseReply(line);
				if (!last.ok) throw new Fault("The guest's agent refused a request", { why: last.error });
			}
			if (!last?.ok) throw new Fault("The guest's agent gave no answer");
			return last;
		} finally {
			channel.close();
		}
	}

	#open<Channel>(open: (done: (error: Error | undefined, channel: Channel) => void) => void): Promise<Channel> {
		return new Promise((resolve, reject) => {
			const lost = () => reject(new Fault("The connection to the guest was lost"));
			this.#client.once("close", lost);
			const done = (error: Error | undefined, channel: Channel) => {
				this.#client.off("close", lost);
				if (error) reject(new Fault("The guest's agent opened no channel", { why: reason(error), cause: error }));
				else resolve(channel);
			};
			try {
				open(done);
			} catch (error) {
				// ssh2 throws where there is no connection any more.
				done(error instanceof Error ? error : new Error(String(error)), undefined as never);
			}
		});
	}

	[Symbol.dispose](): void {
		this.#client.end();
		setTimeout(() => this.#transport.destroy(), GOODBYE_MS).unref();
	}
}

function parseReply(line: string): ControlReply {
	try {
		return controlReplySchema.parse(JSON.parse(line));
	} catch (error) {
		throw new Fault("The guest's agent gave an answer that is none", { cause: error });
	}
}

/** The first `count` lines of the agent's. @throws Fault if it closes the channel, or takes too long. */
function readLines(channel: ClientChannel, count: number): Promise<string[]> {
	const splitter = new LineSplitter(CONTROL_LINE_BYTES_MAX);
	const lines: string[] = [];
	return new Promise((resolve, reject) => {
		const fail = (what: string) => () => reject(new Fault(what));
		const timer = setTimeout(fail("The guest's agent does not answer"), CONTROL_TIMEOUT_MS);
		channel.on("close", () => clearTimeout(timer));
		channel.on("close", fail("The agent closed the control channel"));
		channel.on("data", (chunk: Buffer) => {
			lines.push(...splitter.push(chunk));
			if (lines.length >= count) resolve(lines.slice(0, count));
		});
	});
}

function hostKeyFault(): Fault {
	return new Fault("The guest shows another host key than the one made for this run", {
		why: "something else answers in its place",
		fix: "do not use this machine; please report it",
	});
}

function loginFault(error: Error): Fault {
	return new Fault("The login to the guest's agent failed", { why: error.message, cause: error });
}
