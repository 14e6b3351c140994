/** Journals that lie there at a start: of cards that are in use, that were bound on purpose, or that a killed helper left. */
import { Fault } from "../errors.ts";
import { isAlive } from "../host/processes.ts";
import type { Bdf } from "./bdf.ts";
import { type Files, hostFiles } from "./files.ts";
import { isRestored } from "./give-back.ts";
import { Helper } from "./helper.ts";
import { Journals } from "./journal.ts";
import { type RestoredCard, START } from "./messages.ts";
import { shown } from "./text.ts";

export interface PendingJournal {
	readonly bdf: Bdf;
	readonly state: /** A living helper looks after it. */
		| "held"
		/** Bound by `gpu apply`, to stay so. */
		| "kept"
		/** Its helper was killed: the card is not the host's again. */
		| "leftover"
		/** Of an earlier start of the kernel: every device has its driver again. */
		| "void"
		/** Nobody knows what it says. */
		| "unreadable";
	/** Null where it cannot be read. */
	readonly group: number | null;
	/** Functions with the drivers that they had. */
	readonly functions: readonly { readonly bdf: Bdf; readonly driver: string | null }[];
	/** Process that looks after it, or did. */
	readonly pid: number | null;
}

/** Needs no root. Both parameters are for tests. */
export function pendingJournals(journals = new Journals(), files: Files = hostFiles()): readonly PendingJournal[] {
	const boot = files.read("/proc/sys/kernel/random/boot_id")?.trim();
	return journals.list().map(({ gpu: bdf, journal }) => {
		if (journal === null) return { bdf, state: "unreadable", group: null, functions: [], pid: null };
		const { group, functions, helper, kept } = journal;
		const state = journal.bootId !== boot ? "void" : kept ? "kept" : isAlive(helper) ? "held" : "leftover";
		return { bdf, state, group, functions, pid: helper.pid };
	});
}

export interface Tending {
	readonly env: Readonly<Record<string, string | undefined>>;
	readonly warn: (text: string) => void;
	/** Card that this start takes itself, and puts right by that; null for none. */
	readonly except?: Bdf | null;
}

/**
 * For the start of the launcher: says which cards an earlier run has left, and gives them back if this is root already. Never asks for
 * a password, never throws for a card that does not come back.
 */
export async function tendLeftovers({ env, warn, except }: Tending): Promise<void> {
	if (process.platform !== "linux") return;
	const pending = pendingJournals().filter(({ bdf }) => bdf !== except);
	const root = process.getuid?.() === 0;
	const left = pending.filter(({ state }) => state === "leftover");
	if (root) {
		for (const { bdf } of pending.filter(({ state }) => state === "leftover" || state === "void")) {
			warn(await putRight(bdf, env));
		}
	} else if (left.length > 0) {
		const names = left.map(({ bdf, functions }) => `${bdf} (${driversOf(functions)})`).join(", ");
		warn(`a run that was killed has left ${names} without its driver; \`sudo virtualghost gpu restore\` gives it back`);
	}
	for (const { bdf } of pending.filter(({ state }) => state === "unreadable")) {
		warn(`the journal ${new Journals().pathOf(bdf)} cannot be read; if ${bdf} has no driver, restart this system`);
	}
}

async function putRight(bdf: Bdf, env: Tending["env"]): Promise<string> {
	try {
		const [card] = await restoreByHelper(bdf, env, AbortSignal.timeout(RESTORE_TIMEOUT_MS));
		if (card === undefined) return `${bdf} was given back meanwhile`;
		if (card.void) return `a run before the last restart had ${bdf}; it has its driver again, the journal was removed`;
		if (isRestored(card)) return `a run that was killed had left ${bdf}; it is back now`;
		return `a run that was killed has left ${bdf}, and it does not come back; \`virtualghost gpu restore\` tells why`;
	} catch (error) {
		if (!(error instanceof Fault) && !(error instanceof DOMException)) throw error;
		return `a run that was killed has left ${bdf}: ${error.message}`;
	}
}

/** Each write may take 10 s, and a QEMU that is ending is waited for. */
const RESTORE_TIMEOUT_MS = 120_000;

/** Has root give back one card or all that have a journal; asks for a password where that is needed, unless `quiet`. @throws Fault */
export async function restoreByHelper(
	gpu: Bdf | null,
	env: Tending["env"],
	signal: AbortSignal,
	quiet = false,
): Promise<readonly RestoredCard[]> {
	const request = { verb: "restore", gpu } as const;
	const helper = Helper.start(request, env, quiet);
	try {
		for (;;) {
			const message = await helper.next(signal);
			if (message === null) throw await helper.silence(request);
			if ("hello" in message) helper.say(START);
			if ("restored" in message) return message.restored;
			if ("failed" in message) {
				const { what, why, fix } = message.failed;
				throw new Fault(what, { why, fix });
			}
		}
	} finally {
		await helper[Symbol.asyncDispose]();
	}
}

function driversOf(functions: PendingJournal["functions"]): string {
	return [...new Set(functions.map(({ driver }) => shown(driver ?? "none")))].join(", ");
}
