/** What a machine is called, and how it greets its user; none of it is needed for a way in. */
import { ptr } from "bun:ffi";
import { writeFileSync } from "node:fs";
import { CREDENTIAL, GUEST_PATH } from "../src/wire/names.ts";
import type { FindCredential } from "./credentials.ts";
import { libc } from "./libc.ts";

/** A machine that was booted has its name from the credentials, one that was restored from its identity. */
export function greet(find: FindCredential): void {
	if (find(CREDENTIAL.hint) !== null) writeFileSync(GUEST_PATH.hint, "");
	const hostname = find(CREDENTIAL.hostname);
	if (hostname !== null) setHostname(hostname);
}

/** The file first: systemd may be about to set the name that stands in it. */
export function setHostname(hostname: string): void {
	writeFileSync("/etc/hostname", `${hostname}\n`);
	const name = Buffer.from(hostname);
	libc.sethostname(ptr(name), name.length);
	writeFileSync(
		"/etc/hosts",
		`127.0.0.1\tlocalhost\n127.0.1.1\t${hostname} virtualghost\n::1\tlocalhost ip6-localhost ip6-loopback\n`,
	);
}
