/** The keys of one run, and the files through which the guest gets its part as systemd credentials. */

import { generateKeys, type RunKeys } from "../ssh/keys.ts";
import { CREDENTIAL } from "../wire/names.ts";
import type { Instance } from "./instance.ts";
import { hostKeyAlias, INSTANCE_FILE } from "./instance-record.ts";

export interface RunCredentials {
	readonly keys: RunKeys;
	/** One SMBIOS type 11 string a file. */
	readonly files: readonly string[];
}

/** https://systemd.io/CREDENTIALS/: `io.systemd.credential.binary:NAME=BASE64`. */
function smbiosString(name: string, value: string): string {
	return `io.systemd.credential.binary:${name}=${Buffer.from(value).toString("base64")}`;
}

export function makeCredentials(instance: Instance): RunCredentials {
	const keys = generateKeys();
	const files = [
		instance.writePrivate(INSTANCE_FILE.hostKeyCredential, smbiosString(CREDENTIAL.hostKey, keys.host.private)),
		instance.writePrivate(
			INSTANCE_FILE.authorizedKeyCredential,
			smbiosString(CREDENTIAL.authorizedKey, keys.client.public),
		),
	];
	// For the other verbs, and for OpenSSH.
	instance.writePrivate(INSTANCE_FILE.identity, keys.client.private);
	const [type, key] = keys.host.public.split(" ");
	instance.writePrivate(INSTANCE_FILE.knownHosts, `${hostKeyAlias(instance.name)} ${type} ${key}\n`);
	return { keys, files };
}

/** Paths as they would be, for `--dry-run`, which makes no keys. */
export function credentialPaths(folder: string): string[] {
	return [INSTANCE_FILE.hostKeyCredential, INSTANCE_FILE.authorizedKeyCredential].map((name) => `${folder}/${name}`);
}
