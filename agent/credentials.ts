/** What the launcher handed over for this run, through systemd credentials (files in $CREDENTIALS_DIRECTORY). */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ssh2, { type ParsedKey } from "ssh2";
import { CREDENTIAL } from "../src/wire/names.ts";

/** How the machine greets its user; none of it is needed for a way in. */
export interface Greeting {
	readonly hostname: string | null;
	readonly hint: boolean;
}

export function readGreeting(folder: string | undefined): Greeting {
	const path = (name: string) => join(folder ?? "", name);
	const has = (name: string) => folder !== undefined && existsSync(path(name));
	return {
		hostname: has(CREDENTIAL.hostname) ? readFileSync(path(CREDENTIAL.hostname), "utf8") : null,
		hint: has(CREDENTIAL.hint),
	};
}

export interface Credentials {
	/** Private host key, OpenSSH format. */
	readonly hostKey: string;
	readonly authorizedKey: ParsedKey;
}

/** @throws Error if a credential is missing or is no key: the agent must not start without them. */
export function readCredentials(folder: string | undefined): Credentials {
	if (!folder) throw new Error("CREDENTIALS_DIRECTORY is not set: the unit must import the virtualghost.* credentials");
	return parseCredentials({
		hostKey: readFileSync(join(folder, CREDENTIAL.hostKey), "utf8"),
		authorizedKey: readFileSync(join(folder, CREDENTIAL.authorizedKey), "utf8"),
	});
}

/** @throws Error if the authorized key is none */
export function parseCredentials({ hostKey, authorizedKey }: { hostKey: string; authorizedKey: string }): Credentials {
	const parsed = ssh2.utils.parseKey(authorizedKey);
	if (parsed instanceof Error) throw parsed;
	return { hostKey, authorizedKey: parsed };
}
