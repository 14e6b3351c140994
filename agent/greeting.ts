/** What the machine is called, and whether its first prompt gives the hint of a first start. */
import { ptr } from "bun:ffi";
import { writeFileSync } from "node:fs";
import { GUEST_PATH } from "../src/wire/names.ts";
import type { Greeting } from "./credentials.ts";
import { libc } from "./libc.ts";

/** A machine that was booted has its name from the credentials, one that was restored from its identity. */
export function greet({ hostname, hint }: Greeting): void {
	if (hint) writeFileSync(GUEST_PATH.hint, "");
	if (hostname !== null) setHostname(hostname);
}

export function setHostname(hostname: string): void {
	// The file first: systemd starts beside the agent, and sets what it reads there.
	writeFileSync("/etc/hostname", `${hostname}\n`);
	const name = Buffer.from(hostname);
	libc.sethostname(ptr(name), name.length);
	writeFileSync(
		"/etc/hosts",
		`127.0.0.1\tlocalhost\n127.0.1.1\t${hostname} virtualghost\n::1\tlocalhost ip6-localhost ip6-loopback\n`,
	);
}
