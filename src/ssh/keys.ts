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

export function generateKeyPair(comment: string): KeyPair {
	const pair = ssh2.utils.generateKeyPairSync("ed25519", { comment });
	return { private: pair.private, public: pair.public };
}

export function generateKeys(): RunKeys {
	return { host: generateKeyPair("virtualghost guest"), client: generateKeyPair("virtualghost launcher") };
}
