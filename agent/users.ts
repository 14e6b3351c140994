/** The accounts that may log in, and what a login of theirs starts with. */
import { GUEST_UID, GUEST_USER } from "../src/wire/names.ts";

export interface Account {
	readonly name: string;
	readonly uid: number;
	readonly home: string;
	/** Variables of a fresh login, as the terminal in the window has them. */
	readonly environment: Readonly<Record<string, string>>;
	/** What stands before the shell: gives up root before anything of the user's runs. */
	readonly become: readonly string[];
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
		become: ["setpriv", `--reuid=${GUEST_USER}`, `--regid=${GUEST_USER}`, "--init-groups", "--"],
	},
	{
		name: "root",
		uid: 0,
		home: "/root",
		environment: environment("root", "/root", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
		become: [],
	},
];

/** Null for every name that may not log in. */
export function findAccount(name: string): Account | null {
	return ACCOUNTS.find((account) => account.name === name) ?? null;
}

/** `command` null means a login shell. */
export function shellArgv(account: Account, command: string | null): string[] {
	return [...account.become, SHELL, ...(command === null ? ["-l"] : ["-c", command])];
}
