/** What the launcher handed over for this run: SMBIOS strings (type 11), written as systemd credentials are. */
import { readFileSync } from "node:fs";
import ssh2, { type ParsedKey } from "ssh2";
import { CREDENTIAL } from "../src/wire/names.ts";

/** How the machine greets its user; none of it is needed for a way in. */
export interface Greeting {
	readonly hostname: string | null;
	readonly hint: boolean;
}

export function readGreeting(table: Buffer = readFileSync(DMI_TABLE)): Greeting {
	const strings = oemStrings(table);
	return {
		hostname: findCredential(strings, CREDENTIAL.hostname),
		hint: findCredential(strings, CREDENTIAL.hint) !== null,
	};
}

export interface Credentials {
	/** Private host key, OpenSSH format. */
	readonly hostKey: string;
	readonly authorizedKey: ParsedKey;
}

/** The firmware's table as the kernel found it; only root can read it. */
export const DMI_TABLE = "/sys/firmware/dmi/tables/DMI";
/** System Management BIOS, DSP0134: "OEM Strings". */
const OEM_STRINGS = 11;
const HEADER_BYTES = 4;
/** https://systemd.io/CREDENTIALS/ */
const CREDENTIAL_PREFIX = "io.systemd.credential.binary:";

/**
 * Read from the table itself and not through systemd, which the agent starts beside.
 *
 * @throws Error if a credential is missing or is no key: the agent must not start without them.
 */
export function readCredentials(table: Buffer = readFileSync(DMI_TABLE)): Credentials {
	const strings = oemStrings(table);
	const find = (name: string): string => {
		const found = findCredential(strings, name);
		if (found === null) throw new Error(`the launcher has handed over no ${name}`);
		return found;
	};
	return parseCredentials({ hostKey: find(CREDENTIAL.hostKey), authorizedKey: find(CREDENTIAL.authorizedKey) });
}

function findCredential(strings: readonly string[], name: string): string | null {
	const start = `${CREDENTIAL_PREFIX}${name}=`;
	const found = strings.find((text) => text.startsWith(start));
	return found === undefined ? null : Buffer.from(found.slice(start.length), "base64").toString("utf8");
}

/** Each structure: type, length of its fixed part, handle; then its strings, each ended by a zero byte, and one more zero byte. */
export function oemStrings(table: Buffer): string[] {
	const found: string[] = [];
	let at = 0;
	while (at + HEADER_BYTES <= table.length) {
		const type = table[at];
		const length = table[at + 1] ?? 0;
		if (length < HEADER_BYTES) return found;
		let from = at + length;
		const end = table.indexOf("\0\0", from, "latin1");
		if (end < 0) return found;
		if (type === OEM_STRINGS) {
			while (from < end) {
				const zero = table.indexOf(0, from);
				found.push(table.toString("latin1", from, zero));
				from = zero + 1;
			}
		}
		at = end + 2;
	}
	return found;
}

/** @throws Error if the authorized key is none */
export function parseCredentials({ hostKey, authorizedKey }: { hostKey: string; authorizedKey: string }): Credentials {
	const parsed = ssh2.utils.parseKey(authorizedKey);
	if (parsed instanceof Error) throw parsed;
	return { hostKey, authorizedKey: parsed };
}
