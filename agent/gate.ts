/**
 * Who may connect, decided before any SSH is spoken: ssh2 has no limits of its own. A peer that logs in leaves the gate; the
 * others have ten seconds and ten places, and a newcomer gets the place of the one that has been silent for the longest, so
 * that any number of silent peers cannot keep a good login out.
 */
import type net from "node:net";

/** Time from the connection to a finished login, as sshd's LoginGraceTime. */
export const LOGIN_GRACE_MS = 10_000;
export const CONNECTIONS_MAX = 64;
export const UNAUTHENTICATED_MAX = 10;
/** OpenSSH and ssh2 speak at once; a client that waits for us waits this long. */
const SPEAK_FIRST_MS = 200;
/** A login in progress is not pushed out before it has had this long. */
const HANDSHAKE_MS = 2_000;

interface Guest {
	readonly socket: net.Socket;
	readonly since: number;
	readonly grace: ReturnType<typeof setTimeout>;
}

export class Gate {
	/** Oldest first. */
	readonly #pending = new Map<net.Socket, Guest>();

	get pending(): number {
		return this.#pending.size;
	}

	/**
	 * Takes the connection in, if need be in place of another. `serve` is called when the peer has said something, or has had the time to: a
	 * handshake costs, and of a crowd of silent peers most are gone by then.
	 */
	admit(socket: net.Socket, serve: () => void): void {
		socket.on("error", () => socket.destroy());
		if (this.#pending.size >= UNAUTHENTICATED_MAX) this.#makeRoom();
		const grace = setTimeout(() => socket.destroy(), LOGIN_GRACE_MS);
		this.#pending.set(socket, { socket, since: Date.now(), grace });
		socket.once("close", () => this.release(socket));
		this.#whenSpoken(socket, serve);
	}

	#whenSpoken(socket: net.Socket, serve: () => void): void {
		const onData = (first: Buffer) => {
			clearTimeout(patience);
			if (!looksLikeSsh(first)) return void socket.destroy();
			socket.pause();
			socket.unshift(first);
			serve();
		};
		// Some clients wait for the server to speak first.
		const patience = setTimeout(() => {
			socket.off("data", onData);
			if (!socket.destroyed) serve();
		}, SPEAK_FIRST_MS);
		socket.once("data", onData);
	}

	/** The peer has logged in, or is gone. */
	release(socket: net.Socket): void {
		const guest = this.#pending.get(socket);
		if (!guest) return;
		clearTimeout(guest.grace);
		this.#pending.delete(socket);
	}

	#makeRoom(): void {
		const guests = [...this.#pending.values()];
		const silent = guests.find(({ socket }) => socket.bytesRead === 0);
		const slow = guests.find(({ since }) => Date.now() - since > HANDSHAKE_MS);
		// Nobody to blame: by lot, as sshd's MaxStartups. To refuse the newcomer would let ten chatty peers keep everybody out.
		const victim = silent ?? slow ?? guests[Math.floor(Math.random() * guests.length)];
		if (!victim) return;
		this.release(victim.socket);
		victim.socket.destroy();
	}
}

/** A client begins with its version, `SSH-2.0-…` (RFC 4253, 4.2); ssh2 would wait for it behind any amount of other text. */
function looksLikeSsh(first: Buffer): boolean {
	const begin = Buffer.from("SSH-").subarray(0, first.length);
	return first.subarray(0, begin.length).equals(begin);
}
