/**
 * The one error type that reaches a user: what went wrong, why, and what to do about it.
 *
 * Anything else that arrives at the error edge (`main.ts`) is a defect of ours and is shown as such. Nothing below the
 * edge prints or exits.
 */

/** Exit codes. 125-127 and 128+N follow `docker run`. */
export const EXIT = {
	ok: 0,
	/** Something failed at run time. */
	failure: 1,
	/** The command line or the configuration is wrong. */
	usage: 2,
	/** The launcher itself failed before the guest's command could run. */
	launcher: 125,
	/** Ended by Ctrl+C (128 + SIGINT). */
	interrupted: 130,
	/** Ended by SIGTERM (128 + SIGTERM). */
	terminated: 143,
} as const;

export interface FaultDetails {
	/** Why it happened: the system's own words, where there are any. */
	readonly why?: string | undefined;
	/** What the user can do. */
	readonly fix?: string | undefined;
	/** Exit code of the process. Default `EXIT.failure`. */
	readonly exitCode?: number | undefined;
	/** A log file that tells more. */
	readonly log?: string | undefined;
	/** Last lines of the process or log that failed (untrusted bytes: strip before printing). */
	readonly tail?: string | undefined;
	readonly cause?: unknown;
}

export class Fault extends Error {
	override readonly name = "Fault";
	readonly details: FaultDetails;

	constructor(what: string, details: FaultDetails = {}) {
		super(what, details.cause === undefined ? undefined : { cause: details.cause });
		this.details = details;
	}

	get exitCode(): number {
		return this.details.exitCode ?? EXIT.failure;
	}
}

/** The system's own words for an unknown thrown value. */
export function reason(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}

/** C0, DEL, C1, line and paragraph separators, and the marks that reorder text on a terminal. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** The text with everything a terminal might obey written as `\u{1b}`. */
export function printable(text: string): string {
	return text.replace(UNPRINTABLE, (char) => `\\u{${char.codePointAt(0)?.toString(16) ?? ""}}`);
}
