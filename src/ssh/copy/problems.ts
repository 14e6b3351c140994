/** What can go wrong with one entry, in words, and what ends the whole copy. */
import { Fault, reason } from "../../errors.ts";
import { shown } from "./names.ts";

/** One entry cannot be copied; the others still can. The message says why. */
export class EntryProblem extends Error {
	override readonly name = "EntryProblem";
	/** What the user can do. */
	readonly fix: string | undefined;

	constructor(why: string, fix?: string) {
		super(why);
		this.fix = fix;
	}
}

/** SSH_FX_* of draft-ietf-secsh-filexfer-02, which is what OpenSSH speaks. */
export const STATUS = { noSuchFile: 2, permissionDenied: 3, failure: 4, unsupported: 8 } as const;

/** The guest said no to a request. */
export class StatusProblem extends EntryProblem {
	readonly code: number;

	constructor(code: number, words: string) {
		super(STATUS_WORDS[code] ?? `the machine says: ${shown(words)}`, STATUS_FIXES[code]);
		this.code = code;
	}
}

const STATUS_WORDS: Readonly<Record<number, string>> = {
	[STATUS.noSuchFile]: "the machine has no such file or folder",
	[STATUS.permissionDenied]: "permission denied in the machine",
	// SFTP has no code for a full disk, a folder that is not empty, a name too long: all are this one.
	[STATUS.failure]: "the machine could not do it, and SFTP does not say why",
	[STATUS.unsupported]: "the machine's SFTP server cannot do it",
};

const STATUS_FIXES: Readonly<Record<number, string>> = {
	[STATUS.noSuchFile]: "check the path inside the machine; a relative one starts in the login folder",
	[STATUS.permissionDenied]: "the copy runs as the machine's ordinary user; choose a place that this user can use",
};

/** These come back for every further entry, so that going on makes no sense. */
const FATAL_HERE: Readonly<Record<string, string>> = {
	ENOSPC: "make room, or name another destination",
	EDQUOT: "make room, or name another destination",
	EROFS: "name a destination that can be written",
	EIO: "check the disk",
	EMFILE: "raise the limit of open files (ulimit -n)",
	ENFILE: "close other programs",
};

const WORDS_HERE: Readonly<Record<string, string>> = {
	ENOENT: "no such file or folder here",
	EACCES: "permission denied here",
	EPERM: "not permitted here",
	ENOTDIR: "a part of its path here is no folder",
	EISDIR: "a folder is in its place here",
	EEXIST: "something is in its place here",
	ENAMETOOLONG: "its path here is too long",
	ELOOP: "a link is in its place here",
	ENOSPC: "no space left here",
	EDQUOT: "your disk quota is used up",
	EROFS: "the file system here is read-only",
};

const FIXES_HERE: Readonly<Record<string, string>> = {
	...FATAL_HERE,
	ENOENT: "check the path here, and that its folder exists",
	EACCES: "check its permissions here, or name another path",
	ENOTDIR: "check the path here",
};

/** The error code of a call to this system; undefined for anything else. */
export function codeHere(error: unknown): string | undefined {
	if (!(error instanceof Error) || !("code" in error) || !("syscall" in error)) return undefined;
	return typeof error.code === "string" ? error.code : undefined;
}

/** Why one entry could not be copied, if the others still can; null for what ends the copy. */
export function entryProblem(error: unknown): string | null {
	if (error instanceof EntryProblem) return error.message;
	const code = codeHere(error);
	if (code === undefined || code in FATAL_HERE) return null;
	return WORDS_HERE[code] ?? reason(error);
}

/** What ends the copy of `path`, for the user. Faults, interrupts and defects stay as they are. */
export function copyFault(error: unknown, path: string): unknown {
	const what = `${shown(path)} cannot be copied`;
	if (error instanceof EntryProblem) return new Fault(what, { why: error.message, fix: error.fix, cause: error });
	const code = codeHere(error);
	if (code === undefined) return error;
	return new Fault(what, { why: WORDS_HERE[code] ?? reason(error), fix: FIXES_HERE[code], cause: error });
}
