/** The keys of one run, and the files through which the guest gets its part as systemd credentials. */

import { generateKeys, type RunKeys } from "../ssh/keys.ts";
import { CREDENTIAL } from "../wire/names.ts";
import type { Instance } from "./instance.ts";
import { hostKeyAlias, INSTANCE_FILE } from "./instance-record.ts";
import { hostnameOf } from "./snapshot/identity.ts";

export interface RunCredentials {
	readonly keys: RunKeys;
	/** One SMBIOS type 11 string a file. */
	readonly files: readonly string[];
}

/** https://systemd.io/CREDENTIALS/: `io.systemd.credential.binary:NAME=BASE64`. */
function smbiosString(name: string, value: string): string {
	return `io.systemd.credential.binary:${name}=${Buffer.from(value).toString("base64")}`;
}

/** `hint`: this is the user's first start, and the terminal says in two lines what it is. */
export function makeCredentials(instance: Instance, { hint }: { hint: boolean }): RunCredentials {
	const keys = generateKeys();
	const files = [
		instance.writePrivate(INSTANCE_FILE.hostKeyCredential, smbiosString(CREDENTIAL.hostKey, keys.host.private)),
		instance.writePrivate(
			INSTANCE_FILE.authorizedKeyCredential,
			smbiosString(CREDENTIAL.authorizedKey, keys.client.public),
		),
		instance.writePrivate(
			INSTANCE_FILE.hostnameCredential,
			smbiosString(CREDENTIAL.hostname, hostnameOf(instance.name)),
		),
	];
	if (hint) files.push(instance.writePrivate(INSTANCE_FILE.hintCredential, smbiosString(CREDENTIAL.hint, "1")));
	// For the other verbs, and for OpenSSH.
	instance.writePrivate(INSTANCE_FILE.identity, keys.client.private);
	const [type, key] = keys.host.public.split(" ");
	instance.writePrivate(INSTANCE_FILE.knownHosts, `${hostKeyAlias(instance.name)} ${type} ${key}\n`);
	return { keys, files };
}

/** Paths as they would be, for `--dry-run`, which makes no keys. */
export function credentialPaths(folder: string): string[] {
	const { hostKeyCredential, authorizedKeyCredential, hostnameCredential } = INSTANCE_FILE;
	return [hostKeyCredential, authorizedKeyCredential, hostnameCredential].map((name) => `${folder}/${name}`);
}
