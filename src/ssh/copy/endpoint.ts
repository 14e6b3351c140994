/** The two sides of `cp`: `NAME:path` in a machine, a path here, or `-`. Pure. */
import { EXIT, Fault } from "../../errors.ts";
import { shown } from "./names.ts";

export interface RemoteEndpoint {
	readonly kind: "remote";
	/** Undefined: the only machine that runs. */
	readonly machine: string | undefined;
	/** Absolute, or relative to the login folder, which is `.`. */
	readonly path: string;
}

/** A side here: a path, or standard input / output. */
export type LocalEndpoint = { readonly kind: "local"; readonly path: string } | { readonly kind: "stream" };

export type Endpoint = RemoteEndpoint | LocalEndpoint;

/** What a command line asks for. */
export type CopyRequest =
	| { readonly direction: "download"; readonly remote: RemoteEndpoint; readonly local: LocalEndpoint }
	| { readonly direction: "upload"; readonly remote: RemoteEndpoint; readonly local: LocalEndpoint };

const MACHINE_NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;
const HOW = "one side is NAME:path (or :path for the only machine), the other a path here or -";

/** @throws Fault (usage) unless exactly one side is in a machine. */
export function parseCopy(source: string, destination: string, platform: NodeJS.Platform): CopyRequest {
	const from = parseEndpoint(source, platform);
	const to = parseEndpoint(destination, platform);
	if (from.kind === "remote" && to.kind !== "remote") return { direction: "download", remote: from, local: to };
	if (from.kind !== "remote" && to.kind === "remote") return { direction: "upload", remote: to, local: from };
	if (from.kind === "remote") {
		throw usage("Both sides are in a machine", "copy to a path here first, or use cp inside the machine");
	}
	throw usage("Neither side is in a machine", HOW);
}

/** @throws Fault (usage) for what can be neither. */
export function parseEndpoint(text: string, platform: NodeJS.Platform): Endpoint {
	if (text === "") throw usage("A path is empty", HOW);
	if (text.includes("\0")) throw usage("A path holds a NUL", HOW);
	if (text === "-") return { kind: "stream" };
	const colon = text.indexOf(":");
	if (colon === -1 || isLocalBefore(text, colon, platform)) return { kind: "local", path: text };
	const machine = text.slice(0, colon);
	if (machine !== "" && !MACHINE_NAME.test(machine)) {
		throw usage(
			`"${shown(machine)}" cannot be a machine's name`,
			`for a file here write ./${shown(text)}; names have small letters, digits and -, at most 32`,
		);
	}
	return { kind: "remote", machine: machine === "" ? undefined : machine, path: remotePath(text.slice(colon + 1)) };
}

/** Whether what stands before the first colon shows that the text is a path here. */
function isLocalBefore(text: string, colon: number, platform: NodeJS.Platform): boolean {
	const before = text.slice(0, colon);
	if (before.includes("/")) return true;
	if (platform === "win32") return before.includes("\\") || /^[A-Za-z]$/.test(before);
	// A drive, typed where there are none; a machine's name could not have this letter.
	return /^[A-Z]$/.test(before) && /^[\\/]/.test(text.slice(colon + 1));
}

/** SFTP knows no `~`: relative paths start in the login folder. */
function remotePath(path: string): string {
	if (path === "" || path === "~") return ".";
	if (!path.startsWith("~/")) return path;
	return path.slice(1).replace(/^\/+/, "") || ".";
}

function usage(what: string, fix: string): Fault {
	return new Fault(what, { fix, exitCode: EXIT.usage });
}
