/** What a program writes, on its way into an SSH channel: in order, and no faster than the client takes it. */
import type { ServerChannel } from "ssh2";

export class ChannelOutput {
	readonly #channel: ServerChannel;
	#last: Promise<void> = Promise.resolve();
	#wake: () => void = () => {};
	/** The client is gone: nothing more is worth reading. */
	closed = false;

	constructor(channel: ServerChannel) {
		this.#channel = channel;
		channel.once("close", () => {
			this.closed = true;
			this.#wake();
		});
	}

	/**
	 * Resolves when the client's window has taken all of `bytes`, or the channel is closed. One write at a time: when stdout and
	 * stderr both wait for window, ssh2 (1.17) wakes only one of them.
	 */
	write(bytes: Uint8Array, stream: "stdout" | "stderr" = "stdout"): Promise<void> {
		this.#last = this.#last.then(() => this.#send(bytes, stream));
		return this.#last;
	}

	#send(bytes: Uint8Array, stream: "stdout" | "stderr"): Promise<void> {
		if (this.closed) return Promise.resolve();
		return new Promise((resolve) => {
			// A closed channel calls nobody back.
			this.#wake = resolve;
			const target = stream === "stdout" ? this.#channel : this.#channel.stderr;
			target.write(bytes, () => resolve());
		});
	}
}
