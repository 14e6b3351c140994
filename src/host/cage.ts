/** Whether this host lets us put QEMU into a cage of namespaces, found out by making one. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type CageFacts, cagedProbe, type DisplayDoor } from "../plan/cage.ts";
import type { QemuFacts } from "../plan/facts.ts";
import { PRIVILEGED_PATH } from "./user-namespaces.ts";

/** It takes some 20 ms. */
const TIMEOUT_MS = 5_000;

export interface CageFinding {
	readonly cage: CageFacts | null;
	/** Why there is none, or which one. */
	readonly why: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Tries the bundle's bubblewrap, then the system's. */
export function findCage(qemu: QemuFacts, env: Environment): CageFinding {
	if (process.platform !== "linux") return { cage: null, why: `there are no namespaces on ${process.platform}` };
	const candidates = [qemu.bwrap, existsSync(PRIVILEGED_PATH.bwrap) ? [PRIVILEGED_PATH.bwrap] : null].filter(
		(each) => each !== null,
	);
	let why = "bubblewrap is not installed";
	for (const command of candidates) {
		const problem = tryCage(command, qemu);
		if (problem === null) return { cage: { command, display: findDisplayDoor(env) }, why: command.at(-1) ?? "" };
		why = problem;
	}
	return { cage: null, why };
}

function tryCage(command: readonly string[], { folders }: QemuFacts): string | null {
	try {
		const child = Bun.spawnSync(cagedProbe(command, folders, [...command, "--version"]), {
			env: {},
			stdout: "ignore",
			stderr: "pipe",
			timeout: TIMEOUT_MS,
		});
		if (child.exitCode === 0) return null;
		return (
			child.stderr.toString().trim().split("\n").at(-1)?.slice(0, 200) || `bubblewrap ended with ${child.exitCode}`
		);
	} catch (error) {
		return String(error);
	}
}

function findDisplayDoor(env: Environment): DisplayDoor {
	const {
		DISPLAY: display,
		WAYLAND_DISPLAY: wayland,
		XDG_RUNTIME_DIR: runtime,
		XAUTHORITY: authority,
		HOME: home,
	} = env;
	const number = /^(?:unix)?:(\d+)/.exec(display ?? "")?.[1];
	const socket = number === undefined ? null : `/tmp/.X11-unix/X${number}`;
	const hasSocket = socket !== null && existsSync(socket);
	return {
		x11Socket: hasSocket ? socket : null,
		xauthority: authority || (home ? join(home, ".Xauthority") : null),
		waylandSocket: wayland ? (wayland.startsWith("/") ? wayland : join(runtime ?? "/", wayland)) : null,
		needsNetwork: display !== undefined && display !== "" && !hasSocket,
	};
}
