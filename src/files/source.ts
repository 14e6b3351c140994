/** The folder of the host's behind `--mount` and `--work`: is it there, and does the user know what it gives away? */
import { accessSync, constants, realpathSync, statSync } from "node:fs";
import { isAbsolute, join, relative, resolve } from "node:path";
import { EXIT, Fault, reason } from "../errors.ts";

export interface SourceFacts {
	readonly home: string;
	readonly cwd: string;
	/** `--yes-mount-home` was given. */
	readonly allowHome: boolean;
}

/** Its real path. @throws Fault */
export function findSource(flag: string, written: string, { home, cwd, allowHome }: SourceFacts): string {
	const path = /^~(?=[/\\]|$)/.test(written) ? join(home, written.slice(1)) : resolve(cwd, written);
	let real: string;
	try {
		real = realpathSync(path);
		if (!statSync(real).isDirectory()) throw new Error("it is no folder");
		accessSync(real, constants.R_OK | constants.X_OK);
	} catch (error) {
		throw new Fault(`${flag}: the folder ${path} cannot be used`, { why: reason(error), exitCode: EXIT.usage });
	}
	if (!allowHome && holdsHome(real, home)) {
		throw new Fault(`${flag}: ${real} holds your whole home directory`, {
			why: "keys, passwords and letters in it would be the machine's to read",
			fix: "name the folder that is needed, or add --yes-mount-home",
			exitCode: EXIT.usage,
		});
	}
	return real;
}

/** Whether the home is that folder or lies in it. */
function holdsHome(folder: string, home: string): boolean {
	let real = home;
	try {
		real = realpathSync(home);
	} catch {
		// A home that is not there holds nothing; its name is compared all the same.
	}
	const way = relative(folder, real);
	return !(way.startsWith("..") || isAbsolute(way));
}
