/** How the launcher gets its root helper: the command line and the environment, and nothing is started here. */
import { closeSync, existsSync, openSync } from "node:fs";
import type { HelperRequest } from "./grammar.ts";
import { helperWords } from "./grammar.ts";
import { ROOT_ENVIRONMENT } from "./tool.ts";

export interface Situation {
	readonly uid: number;
	/** There is a terminal on which sudo can ask for a password. */
	readonly terminal: boolean;
	/** There is a desktop, whose agent can ask for a password. */
	readonly desktop: boolean;
	/** Full paths; null where a program is not installed. */
	readonly sudo: string | null;
	readonly pkexec: string | null;
}

export interface Elevation {
	readonly how: "root" | "sudo" | "pkexec";
	readonly argv: readonly string[];
	readonly env: Readonly<Record<string, string>>;
	/** It talks to the user on the terminal. */
	readonly interactive: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Language of the question, and the terminal that it is asked on. Nothing that a program as root would act upon. */
const ASKER_VARIABLES = ["LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "TERM"];

/** Null where nobody can be asked: neither sudo nor pkexec is there. `program` is this program's own file. */
export function elevation(
	situation: Situation,
	program: string,
	request: HelperRequest,
	env: Environment,
): Elevation | null {
	const { uid, terminal, desktop, sudo, pkexec } = situation;
	const command = [program, ...helperWords(request)];
	if (uid === 0)
		return { how: "root", argv: command, env: { ...ROOT_ENVIRONMENT, ...askers(request, env) }, interactive: false };
	const asking: Record<string, string> = { PATH: ROOT_ENVIRONMENT.PATH };
	for (const name of ASKER_VARIABLES) {
		const value = env[name];
		if (value !== undefined) asking[name] = value;
	}
	// In a terminal the question belongs there, even if there is a desktop around it.
	if (sudo !== null && terminal) {
		const prompt = `[sudo] password of %p, for the GPU ${request.gpu ?? "to be given back"}: `;
		return { how: "sudo", argv: [sudo, "-p", prompt, "--", ...command], env: asking, interactive: true };
	}
	if (pkexec !== null && (desktop || terminal)) {
		return { how: "pkexec", argv: [pkexec, ...command], env: asking, interactive: terminal && !desktop };
	}
	// Without anybody to type, only a rule without a password will do.
	if (sudo !== null) return { how: "sudo", argv: [sudo, "-n", "--", ...command], env: asking, interactive: false };
	return null;
}

/** Root by `sudo virtualghost gpu apply`: the card is for the user behind it. For a run it is root's own machine that gets it. */
function askers(request: HelperRequest, env: Environment): Record<string, string> {
	if (request.verb !== "bind") return {};
	const { SUDO_UID, PKEXEC_UID } = env;
	if (SUDO_UID !== undefined) return { SUDO_UID };
	return PKEXEC_UID === undefined ? {} : { PKEXEC_UID };
}

/** Not by PATH: a password is going to be typed into it. */
const FOLDERS = ["/run/wrappers/bin", "/usr/bin", "/bin", "/usr/local/bin"];

export function findSituation(env: Environment): Situation {
	const find = (name: string) => FOLDERS.map((folder) => `${folder}/${name}`).find(existsSync) ?? null;
	return {
		uid: process.getuid?.() ?? -1,
		terminal: hasTerminal(),
		desktop: Boolean(env.DISPLAY || env.WAYLAND_DISPLAY),
		sudo: find("sudo"),
		pkexec: find("pkexec"),
	};
}

/** Whatever stdin and stdout are: sudo asks on the controlling terminal. */
function hasTerminal(): boolean {
	try {
		closeSync(openSync("/dev/tty", "r+"));
		return true;
	} catch {
		return false;
	}
}
