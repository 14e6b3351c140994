/** The accounts that may log in, and what a login of theirs starts with. */
import { readFileSync } from "node:fs";
import { BECOME_PROGRAM, GUEST_PATH, GUEST_UID, GUEST_USER } from "../src/wire/names.ts";

export interface Account {
	readonly name: string;
	readonly uid: number;
	readonly home: string;
	/** Variables of a fresh login, as the terminal in the window has them. */
	readonly environment: Readonly<Record<string, string>>;
	readonly gid: number;
}

const SHELL = "/bin/bash";
/** What sshd says of a connection that has no IP address. bash and many prompts look for it. */
const CONNECTION = "UNKNOWN 65535 UNKNOWN 65535";

function environment(name: string, home: string, path: string): Record<string, string> {
	return {
		HOME: home,
		USER: name,
		LOGNAME: name,
		SHELL,
		PATH: path,
		LANG: "C.UTF-8",
		SSH_CLIENT: CONNECTION.split(" ", 2).join(" "),
		SSH_CONNECTION: CONNECTION,
	};
}

const GUEST_HOME = `/home/${GUEST_USER}`;

const ACCOUNTS: readonly Account[] = [
	{
		name: GUEST_USER,
		uid: GUEST_UID,
		home: GUEST_HOME,
		environment: {
			...environment(
				GUEST_USER,
				GUEST_HOME,
				"/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games:/usr/local/sbin:/usr/sbin:/sbin",
			),
			XDG_RUNTIME_DIR: `/run/user/${GUEST_UID}`,
		},
		gid: GUEST_UID,
	},
	{
		name: "root",
		uid: 0,
		home: "/root",
		environment: environment("root", "/root", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
		gid: 0,
	},
];

/** Null for every name that may not log in. */
export function findAccount(name: string): Account | null {
	return ACCOUNTS.find((account) => account.name === name) ?? null;
}

/** `command` null means a login shell. */
export function shellArgv(command: string | null): string[] {
	return [SHELL, ...(command === null ? ["-l"] : ["-c", command])];
}

/** Gives up root before anything of the user's runs; `tty` becomes the controlling terminal and the standard streams. */
export function becomeArgv(account: Account, argv: readonly string[], tty = "-"): string[] {
	const groups = groupsOf(account, readFileSync("/etc/group", "utf8"));
	const program = `${GUEST_PATH.agent}/${BECOME_PROGRAM}`;
	return [program, String(account.uid), String(account.gid), groups.join(","), tty, ...argv];
}

/** Supplementary groups by group(5): read at each login, since `usermod` may have changed them. */
export function groupsOf(account: Account, text: string): number[] {
	const groups = new Set([account.gid]);
	for (const line of text.split("\n")) {
		const [, , gid, members = ""] = line.split(":");
		if (gid && /^\d+$/.test(gid) && members.split(",").includes(account.name)) groups.add(Number(gid));
	}
	return [...groups];
}
