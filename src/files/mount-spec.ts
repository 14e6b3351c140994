/** `--mount SRC:DST[:rw]` as text: which folder of the host's is to be seen where in the guest. Pure. */
import { EXIT, Fault } from "../errors.ts";
import { GUEST_USER } from "../wire/names.ts";

export interface MountSpec {
	/** As it was written; `~` is the user's home. */
	readonly source: string;
	/** Absolute, without `.` and `..`. */
	readonly target: string;
	readonly writable: boolean;
}

const GUEST_HOME = `/home/${GUEST_USER}`;
const TARGET_CHARS_MAX = 1024;
/** The system's own: what would lie under a mount there is needed. */
const SYSTEM = ["/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr"];
/** Mount below them, not over them. */
const TOPS = ["/", "/home", GUEST_HOME, "/root", "/tmp", "/var", "/opt", "/srv", "/mnt", "/media"];

/** Read from its end: a path of Windows has a colon of its own. @throws Fault */
export function parseMount(text: string): MountSpec {
	const fail = (why: string) =>
		new Fault(`--mount ${JSON.stringify(text)}: ${why}`, {
			fix: "write --mount FOLDER:/path/in/the/machine, with :rw at its end to let the machine write",
			exitCode: EXIT.usage,
		});
	const mode = /:(ro|rw)$/.exec(text);
	const rest = mode ? text.slice(0, mode.index) : text;
	const colon = rest.lastIndexOf(":");
	if (colon <= 0) throw fail("there is no place in the machine");
	const source = rest.slice(0, colon);
	const written = rest.slice(colon + 1);
	// biome-ignore lint/suspicious/noControlCharactersInRegex: a NUL or a newline is what is looked for.
	if (/[\x00-\x1f\x7f]/.test(rest)) throw fail("a path holds a control character");
	const target = normalizeTarget(written);
	if (target === null) throw fail("the place in the machine must begin with / or ~/, and hold no ..");
	const problem = targetProblem(target);
	if (problem !== null) throw fail(problem);
	return { source, target, writable: mode?.[1] === "rw" };
}

function normalizeTarget(written: string): string | null {
	if (written.length > TARGET_CHARS_MAX) return null;
	const absolute = /^~(?=\/|$)/.test(written) ? `${GUEST_HOME}${written.slice(1)}` : written;
	if (!absolute.startsWith("/")) return null;
	const parts = absolute.split("/").filter((part) => part !== "" && part !== ".");
	return parts.includes("..") ? null : `/${parts.join("/")}`;
}

/** Why nothing may be mounted there; null if something may. */
export function targetProblem(target: string): string | null {
	if (TOPS.includes(target)) return `${target} itself cannot be covered; name a folder in it`;
	const system = SYSTEM.find((each) => target === each || target.startsWith(`${each}/`));
	return system === undefined ? null : `${system} is the machine's own`;
}

/** @throws Fault where two would cover each other */
export function checkTargets(specs: readonly Pick<MountSpec, "target">[]): void {
	for (const [i, { target }] of specs.entries()) {
		const other = specs.slice(i + 1).find((each) => each.target === target || target.startsWith(`${each.target}/`));
		if (!other) continue;
		throw new Fault(`Two folders are to be mounted at ${other.target}`, {
			why: target === other.target ? undefined : `the second would hide ${target}`,
			fix: "give each a place of its own, the outer one first",
			exitCode: EXIT.usage,
		});
	}
}
