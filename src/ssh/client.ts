/** The launcher's SSH client: a pinned host key, one key of ours, commands with exit codes. */
import type { Duplex } from "node:stream";
import ssh2, { type Client, type ClientChannel } from "ssh2";
import { Fault, reason } from "../errors.ts";
import {
	CONTROL_LINE_BYTES_MAX,
	CONTROL_SUBSYSTEM,
	type ControlReply,
	type ControlRequest,
	controlReplySchema,
} from "../wire/control.ts";
import { LineSplitter } from "../wire/lines.ts";
import { GUEST_USER } from "../wire/names.ts";
import type { KeyPair } from "./keys.ts";

const HANDSHAKE_TIMEOUT_MS = 30_000;
const KEEPALIVE_MS = 15_000;

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

export class GuestSession implements Disposable {
	readonly #client: Client;

	private constructor(client: Client) {
		this.#client = client;
	}

	/**
	 * Logs in over `transport`.
	 *
	 * @throws Fault if the guest shows another host key, refuses ours, or does not answer in time.
	 */
	static async open(transport: Duplex, identity: KeyPair, hostPublicKey: string): Promise<GuestSession> {
		const expected = ssh2.utils.parseKey(hostPublicKey);
		if (expected instanceof Error) throw new Fault("The pinned host key cannot be read", { cause: expected });
		const client = new ssh2.Client();
		let wrongHostKey = false;
		await new Promise<void>((resolve, reject) => {
			client.on("ready", () => resolve());
			client.on("error", (error) => reject(wrongHostKey ? hostKeyFault() : loginFault(error)));
			client.on("close", () => reject(loginFault(new Error("the guest closed the connection"))));
			client.connect({
				sock: transport as never,
				username: GUEST_USER,
				privateKey: identity.private,
				readyTimeout: HANDSHAKE_TIMEOUT_MS,
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
		return new GuestSession(client);
	}

	/** Runs a shell command line as the session's user. */
	async exec(command: string, options: ExecOptions = {}): Promise<ExecResult> {
		const { input = "", pty, timeoutMs = 60_000 } = options;
		const channel = await this.#channel((done) => {
			this.#client.exec(command, pty ? { pty: { ...pty, width: 0, height: 0, term: "xterm-256color" } } : {}, done);
		});
		return await new Promise((resolve, reject) => {
			const stdout: Buffer[] = [];
			const stderr: Buffer[] = [];
			let status: { code: number | null; signal: string | null } | null = null;
			const timer = setTimeout(() => {
				channel.close();
				reject(new Fault(`The guest did not finish "${command}" within ${timeoutMs / 1000} s`));
			}, timeoutMs);
			channel.on("data", (chunk: Buffer) => stdout.push(chunk));
			channel.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
			channel.on("exit", (code: number | null, signal?: string) => {
				status = { code, signal: signal ?? null };
			});
			channel.on("close", () => {
				clearTimeout(timer);
				if (status) resolve({ ...status, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr) });
				else reject(new Fault(`The connection to the guest was lost during "${command}"`));
			});
			channel.end(input);
		});
	}

	/** Sends one request to the agent's control subsystem. @throws Fault with the agent's words if it says no. */
	async control(request: ControlRequest): Promise<ControlReply & { ok: true }> {
		const channel = await this.#channel((done) => this.#client.subsys(CONTROL_SUBSYSTEM, done));
		const lines = new LineSplitter(CONTROL_LINE_BYTES_MAX);
		try {
			const line = await new Promise<string>((resolve, reject) => {
				channel.on("data", (chunk: Buffer) => {
					const [first] = lines.push(chunk);
					if (first !== undefined) resolve(first);
				});
				channel.on("close", () => reject(new Fault("The agent closed the control channel")));
				channel.write(`${JSON.stringify(request)}\n`);
			});
			const reply = controlReplySchema.parse(JSON.parse(line));
			if (!reply.ok) throw new Fault("The guest's agent refused a request", { why: reply.error });
			return reply;
		} finally {
			channel.close();
		}
	}

	#channel(open: (done: (error: Error | undefined, channel: ClientChannel) => void) => void): Promise<ClientChannel> {
		return new Promise((resolve, reject) => {
			const lost = () => reject(new Fault("The connection to the guest was lost"));
			this.#client.once("close", lost);
			open((error, channel) => {
				this.#client.off("close", lost);
				if (error) reject(new Fault("The guest's agent opened no channel", { why: reason(error), cause: error }));
				else resolve(channel);
			});
		});
	}

	[Symbol.dispose](): void {
		this.#client.end();
	}
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
