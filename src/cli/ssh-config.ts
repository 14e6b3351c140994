/** `virtualghost ssh-config [NAME]`: a Host block with which any OpenSSH tool reaches the machine. Nothing of the user's is edited. */
import { join } from "node:path";
import { EXIT, Fault } from "../errors.ts";
import { hostKeyAlias, INSTANCE_FILE } from "../vm/instance-record.ts";
import { findInstance } from "../vm/registry.ts";
import { GUEST_USER } from "../wire/names.ts";
import type { Context } from "./context.ts";
import { print } from "./output.ts";

/** Always answers, whatever the machine is called. */
const ALIAS = "ghost";

export function sshConfig(context: Context, flags: { name: string | undefined }): number {
	const { folder, record } = findInstance(context.directories.runtime, flags.name);
	print(sshConfigBlock({ name: record.name, folder, program: process.execPath }));
	return EXIT.ok;
}

/** ssh_config(5). Agent and X11 forwarding are off: what runs in the guest is not to be trusted with either. */
export function sshConfigBlock({ name, folder, program }: { name: string; folder: string; program: string }): string {
	const hosts = name === ALIAS ? ALIAS : `${ALIAS} ${name}`;
	const lines: readonly (readonly [string, string])[] = [
		["HostName", name],
		["HostKeyAlias", hostKeyAlias(name)],
		["User", GUEST_USER],
		["ProxyCommand", `${shellWord(program)} ssh-proxy ${name}`],
		["IdentityFile", configWord(join(folder, INSTANCE_FILE.identity))],
		["IdentitiesOnly", "yes"],
		["IdentityAgent", "none"],
		["CertificateFile", "none"],
		["PreferredAuthentications", "publickey"],
		["UserKnownHostsFile", configWord(join(folder, INSTANCE_FILE.knownHosts))],
		["GlobalKnownHostsFile", "none"],
		["StrictHostKeyChecking", "yes"],
		["UpdateHostKeys", "no"],
		["ForwardAgent", "no"],
		["ForwardX11", "no"],
		["ServerAliveInterval", "15"],
	];
	return `Host ${hosts}\n${lines.map(([key, value]) => `  ${key} ${value}\n`).join("")}`;
}

/** Percent signs begin tokens, backslashes escape. @throws Fault for `${`, which begins a variable and cannot be escaped. */
function configWord(path: string): string {
	if (path.includes("${")) {
		throw new Fault(`OpenSSH cannot be told of a path with "\${" in it: ${path}`, {
			fix: "set XDG_RUNTIME_DIR to a folder without it",
		});
	}
	return `"${path.replaceAll("%", "%%").replace(/["\\]/g, "\\$&")}"`;
}

/** ProxyCommand goes through the user's shell. */
function shellWord(path: string): string {
	const escaped = path.replaceAll("%", "%%");
	return process.platform === "win32" ? `"${escaped}"` : `'${escaped.replaceAll("'", "'\\''")}'`;
}
