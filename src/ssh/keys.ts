/** Keys that live for one run: one pair for the guest's SSH server, one for the launcher. */
import ssh2 from "ssh2";

export interface KeyPair {
	/** OpenSSH private key format. */
	readonly private: string;
	/** OpenSSH one-line format. */
	readonly public: string;
}

export interface RunKeys {
	readonly host: KeyPair;
	readonly client: KeyPair;
}

/**
 * ssh2 (1.17) drops a zero byte at the front of an ed25519 public key: about four keys in a thousand cannot be read, by nobody. A machine
 * with such a host key would never be reached.
 */
export function generateKeyPair(comment: string): KeyPair {
	for (;;) {
		const pair = ssh2.utils.generateKeyPairSync("ed25519", { comment });
		const readable = [pair.private, pair.public].every((text) => !(ssh2.utils.parseKey(text) instanceof Error));
		if (readable) return { private: pair.private, public: pair.public };
	}
}

export function generateKeys(): RunKeys {
	return { host: generateKeyPair("virtualghost guest"), client: generateKeyPair("virtualghost launcher") };
}
