/** The launcher's end of the line to its root helper: starts it, hears it, and never waits for it without a way out. */
import { Fault, reason } from "../errors.ts";
import { LineSplitter } from "../wire/lines.ts";
import { type Elevation, elevation, findSituation } from "./elevate.ts";
import type { HelperRequest } from "./grammar.ts";
import { MESSAGE_CHARS_MAX, type Message, parseMessage, START } from "./messages.ts";

/** What sudo and pkexec say when they refuse is short. */
const SAID_CHARS_MAX = 4000;
/** pkexec: dismissed, or not authorized. */
const PKEXEC_REFUSED = [126, 127];
/** For a question that is put away. */
const QUESTION_GRACE_MS = 2_000;
/** For a card that is given back. */
const GIVE_BACK_GRACE_MS = 60_000;

export class Helper implements AsyncDisposable {
	readonly how: Elevation["how"];
	readonly #child: Bun.Subprocess<"pipe", "pipe", "pipe" | "inherit">;
	readonly #messages: Message[] = [];
	#heard = Promise.withResolvers<void>();
	/** It has spoken: nobody is asked for a password any more. */
	#started = false;
	/** It was told to begin: nobody knows what it has done if it ends without an answer. */
	#toldToStart = false;
	#ended = false;
	#said = "";

	private constructor(made: Elevation, child: Bun.Subprocess<"pipe", "pipe", "pipe" | "inherit">) {
		this.how = made.how;
		this.#child = child;
		void this.#listen();
		if (child.stderr instanceof ReadableStream) void this.#keepWords(child.stderr);
	}

	/**
	 * @param quiet ask nobody: with root already, or a sudo that needs no password (any more)
	 * @throws Fault where nobody can become root, or the program cannot be started
	 */
	static start(request: HelperRequest, env: Readonly<Record<string, string | undefined>>, quiet = false): Helper {
		const found = findSituation(env);
		const situation = quiet ? { ...found, terminal: false, desktop: false } : found;
		const made = elevation(situation, process.execPath, request, env);
		if (made === null) {
			throw new Fault(`Root is needed for a moment, for the GPU ${request.gpu ?? "to be given back"}`, {
				why: "neither sudo nor pkexec is installed, so nobody can be asked",
				fix: withoutRoot(request),
			});
		}
		return Helper.run(made);
	}

	/** @throws Fault if the program cannot be started */
	static run(made: Elevation): Helper {
		try {
			const child = Bun.spawn([...made.argv], {
				env: { ...made.env },
				cwd: "/",
				stdin: "pipe",
				stdout: "pipe",
				stderr: made.interactive ? "inherit" : "pipe",
				// Not in a session of its own: sudo must reach the terminal. The helper ignores the terminal's signals itself.
			});
			return new Helper(made, child);
		} catch (error) {
			throw new Fault(`${made.argv[0]} cannot be started`, { why: reason(error), cause: error });
		}
	}

	/** The next message; null when it has ended. Rejects with the reason if `signal` is aborted. */
	async next(signal?: AbortSignal): Promise<Message | null> {
		for (;;) {
			const message = this.#messages.shift();
			if (message !== undefined) return message;
			if (this.#ended) return null;
			signal?.throwIfAborted();
			const aborted = Promise.withResolvers<void>();
			const abort = () => aborted.resolve();
			signal?.addEventListener("abort", abort, { once: true });
			await Promise.race([this.#heard.promise, aborted.promise]);
			signal?.removeEventListener("abort", abort);
		}
	}

	/** It has spoken: root was granted. */
	get isHeard(): boolean {
		return this.#started;
	}

	say(word: string): void {
		if (word === START) this.#toldToStart = true;
		try {
			this.#child.stdin.write(`${word}\n`);
			void Promise.resolve(this.#child.stdin.flush()).catch(() => {});
		} catch {
			// It has ended; `next` says so.
		}
	}

	/** The last word: from here on the helper gives back what it has, and ends. */
	hangUp(): void {
		void Promise.resolve(this.#child.stdin.end()).catch(() => {});
	}

	/** Why it ended without an answer. */
	async silence(request: HelperRequest): Promise<Fault> {
		const code = await this.#child.exited;
		const tail = this.#said.trim() || undefined;
		if (this.#toldToStart) {
			const { verb, gpu } = request;
			return new Fault(
				gpu === null ? "The helper that gives GPUs back has died" : `The helper for the GPU ${gpu} has died`,
				{
					why: `it ended with code ${code} while it was ${verb === "restore" ? "giving back" : "binding"}, so drivers may be missing`,
					fix: `sudo virtualghost gpu restore${gpu === null ? "" : ` ${gpu}`}`,
					tail,
				},
			);
		}
		if (this.how === "root")
			return new Fault("The helper for the GPU ended without an answer", { why: `code ${code}`, tail });
		const refused = this.how === "sudo" || PKEXEC_REFUSED.includes(code);
		return new Fault(`Root was not granted, so nothing was done about the GPU ${request.gpu ?? ""}`.trimEnd(), {
			why: refused ? `${this.how} refused, or the question was dismissed` : `${this.how} ended with code ${code}`,
			fix: withoutRoot(request),
			tail,
		});
	}

	/** Hangs up, and waits until it has given back what it has. A question for the password is put away. */
	async [Symbol.asyncDispose](): Promise<void> {
		this.hangUp();
		if (this.#started) {
			await this.#endsWithin(GIVE_BACK_GRACE_MS);
			this.#child.unref();
			return;
		}
		try {
			this.#child.kill("SIGTERM");
		} catch {
			// Root's processes cannot be signalled. If the password is typed after all, the helper finds the line hung up.
		}
		await this.#endsWithin(QUESTION_GRACE_MS);
		this.#child.unref();
	}

	async #endsWithin(milliseconds: number): Promise<boolean> {
		let timer: ReturnType<typeof setTimeout> | undefined;
		const timeout = new Promise<false>((resolve) => {
			timer = setTimeout(() => resolve(false), milliseconds);
		});
		const ended = await Promise.race([this.#child.exited.then(() => true), timeout]);
		clearTimeout(timer);
		return ended;
	}

	async #listen(): Promise<void> {
		const lines = new LineSplitter(MESSAGE_CHARS_MAX);
		try {
			for await (const bytes of this.#child.stdout) {
				for (const line of lines.push(bytes)) {
					const message = parseMessage(line);
					if (message === null) continue;
					this.#started = true;
					this.#messages.push(message);
				}
				this.#wake();
			}
		} catch {
			// The pipe broke with the process.
		}
		this.#ended = true;
		this.#wake();
	}

	#wake(): void {
		this.#heard.resolve();
		this.#heard = Promise.withResolvers();
	}

	async #keepWords(stderr: ReadableStream<Uint8Array>): Promise<void> {
		const decoder = new TextDecoder();
		try {
			for await (const bytes of stderr) {
				this.#said = (this.#said + decoder.decode(bytes, { stream: true })).slice(-SAID_CHARS_MAX);
			}
		} catch {
			// As above.
		}
	}
}

function withoutRoot({ verb, gpu }: HelperRequest): string {
	if (verb === "restore") return `as root: virtualghost gpu restore${gpu === null ? "" : ` ${gpu}`}`;
	return `as root, once: virtualghost gpu apply ${gpu} (\`sudo virtualghost …\` makes it yours); then \`run --gpu ${gpu}\` needs no root`;
}
