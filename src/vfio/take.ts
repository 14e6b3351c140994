/**
 * Takes a card for one run, from the launcher's side: everything that can be found out without root comes first, then a root helper
 * binds it, and gives it back when it is told to, or when the launcher dies.
 */
import { Fault } from "../errors.ts";
import type { Bdf } from "./bdf.ts";
import { problemOf } from "./bind.ts";
import { discover } from "./discover.ts";
import { hostFiles } from "./files.ts";
import { isRestored } from "./give-back.ts";
import type { HelperRequest } from "./grammar.ts";
import { Helper } from "./helper.ts";
import { judge, lockedMemoryLimit } from "./judge.ts";
import { type Message, RELEASE, type RestoredCard, START } from "./messages.ts";
import { holderNames } from "./node-holders.ts";
import { pendingJournals, restoreByHelper } from "./pending.ts";
import { type PassthroughPlan, planPassthrough } from "./plan.ts";
import { INDENT, refusal } from "./refusal.ts";

export interface HeldGpu extends AsyncDisposable {
	readonly plan: PassthroughPlan;
	/** Gives the card back. Call it when QEMU is gone; once is enough. @throws Fault if something did not come back */
	release(): Promise<void>;
}

export interface TakeRequest {
	readonly gpu: Bdf;
	/** Go on in spite of obstacles that allow it. */
	readonly force: boolean;
	/** Of the guest; all of it will be locked. */
	readonly memoryMiB: number;
	readonly warn: (text: string) => void;
	readonly stage: (text: string) => void;
	readonly env: Readonly<Record<string, string | undefined>>;
	/** Ends a question for the password, too. */
	readonly signal: AbortSignal;
}

const MIB = 1024 * 1024;
/** Ten functions of which each has a write that hangs. */
const RELEASE_PATIENCE_MS = 120_000;
/** What it said before its end is in the pipe already. */
const LAST_WORDS_MS = 1_000;

/**
 * @throws Fault listing every obstacle, each with its fix, before anything is changed; the reason of `signal` if that is aborted,
 * with everything given back
 */
export async function takeGpu(request: TakeRequest): Promise<HeldGpu> {
	const { gpu, signal } = request;
	const plan = checkedPlan(gpu, request.force, request.memoryMiB);
	const pending = pendingJournals().filter(({ bdf, group }) => bdf === gpu || group === plan.group);
	const holder = pending.find(({ state }) => state === "held");
	if (holder) {
		throw new Fault(`The GPU ${gpu} is taken`, {
			why: `another run of virtualghost has it, or is just giving it back (process ${holder.pid})`,
			fix: "wait for its end, or stop that machine (`virtualghost list`)",
		});
	}
	// What a killed helper left looks as if it were meant to be so; the new one puts it right first.
	const isLeftover = pending.some(({ state }) => state === "leftover");
	if (plan.prebound && !isLeftover) return heldWithoutHelper(plan);
	request.stage(`taking the GPU ${gpu} from the host`);
	const ask: HelperRequest = { verb: "hold", gpu, force: request.force };
	const helper = Helper.start(ask, request.env);
	try {
		await readiness(helper, ask, signal);
		signal.throwIfAborted();
		return heldBy(helper, { ...plan, prebound: false }, request);
	} catch (error) {
		await helper[Symbol.asyncDispose]();
		if (helper.isHeard) await warnOfLosses(helper, request);
		// Ctrl+C at the question for the password ends sudo, too; that it ended is not the news then.
		signal.throwIfAborted();
		throw error;
	}
}

/** What can be seen without root says yes. `memoryMiB` null: no guest is to be started. @throws Fault */
export function checkedPlan(gpu: Bdf, force: boolean, memoryMiB: number | null): PassthroughPlan {
	const files = hostFiles();
	const host = discover(files);
	const uid = process.getuid?.() ?? 0;
	const guestMemoryBytes = memoryMiB === null ? null : memoryMiB * MIB;
	const memlockBytes = lockedMemoryLimit(files.read("/proc/self/limits") ?? "");
	const fault = refusal(gpu, judge(host, gpu, { uid, memlockBytes, guestMemoryBytes }), force);
	if (fault) throw fault;
	return planPassthrough(host, gpu, uid);
}

/** Speaks with a helper until the card is bound. @throws Fault */
export async function readiness(
	helper: Helper,
	request: HelperRequest,
	signal: AbortSignal,
): Promise<Extract<Message, { ready: unknown } | { bound: unknown }>> {
	for (;;) {
		const message = await helper.next(signal);
		if (message === null) throw await helper.silence(request);
		if ("hello" in message) helper.say(START);
		else if ("ready" in message || "bound" in message) return message;
		else if ("failed" in message) throw faultOf(message.failed);
	}
}

function faultOf({ what, why, fix }: Extract<Message, { failed: unknown }>["failed"]): Fault {
	return new Fault(what, { why, fix });
}

/** For a helper that was hung up on: what did not come back would be lost behind the reason for that. Never throws a Fault. */
export async function warnOfLosses(helper: Helper, { gpu, warn }: Pick<TakeRequest, "gpu" | "warn">): Promise<void> {
	const patience = AbortSignal.timeout(LAST_WORDS_MS);
	try {
		for (;;) {
			const message = await helper.next(patience);
			if (message === null) return;
			if ("restored" in message) checkRestored(message.restored);
			else if ("failed" in message) throw faultOf(message.failed);
		}
	} catch (error) {
		if (error instanceof Fault) warn([error.message, error.details.why, error.details.fix].filter(Boolean).join("; "));
		else if (patience.aborted) warn(`the GPU ${gpu} is not back yet; \`virtualghost gpu list\` tells when it is`);
		else throw error;
	}
}

function heldWithoutHelper(plan: PassthroughPlan): HeldGpu {
	return { plan, release: () => Promise.resolve(), [Symbol.asyncDispose]: () => Promise.resolve() };
}

function heldBy(helper: Helper, plan: PassthroughPlan, request: TakeRequest): HeldGpu {
	let released: Promise<void> | null = null;
	const release = () => {
		released ??= releaseNow(helper, request);
		return released;
	};
	return { plan, release, [Symbol.asyncDispose]: release };
}

/** Has the helper give the card back. `patienceMs` is how long it may be silent. @throws Fault */
export async function releaseNow(
	helper: Helper,
	request: Pick<TakeRequest, "gpu" | "warn" | "stage" | "env">,
	patienceMs = RELEASE_PATIENCE_MS,
): Promise<void> {
	const { gpu, warn, stage } = request;
	stage(`giving the GPU ${gpu} back to the host`);
	helper.say(RELEASE);
	helper.hangUp();
	let users = "";
	for (;;) {
		const patience = AbortSignal.timeout(patienceMs);
		const message = await helper.next(patience).catch((error: unknown) => {
			if (patience.aborted) return "silent" as const;
			throw error;
		});
		if (message === null) return await releaseAfterDeath(helper, request);
		if (message === "silent") throw notBackYet(gpu, users, helper);
		if ("waiting" in message) {
			users = holderNames(message.waiting);
			warn(`the GPU ${gpu} is still in use by ${users}; it comes back after that`);
		} else if ("restored" in message) return checkRestored(message.restored);
	}
}

function notBackYet(gpu: Bdf, users: string, helper: Helper): Fault {
	// Root's helper ends with root's launcher, one that sudo or pkexec has started does not.
	const byItself =
		helper.how === "root" ? "`virtualghost gpu restore` gives it back then" : "it comes back by itself then";
	return new Fault(`The GPU ${gpu} is not back yet`, {
		why: users === "" ? "the helper that gives it back is still at work" : `it is still in use by ${users}`,
		fix: `end that; ${byItself}`,
	});
}

/** Somebody has killed the helper: another one does it, if nobody has to be asked for that. @throws Fault */
async function releaseAfterDeath(helper: Helper, { gpu, env }: Pick<TakeRequest, "gpu" | "env">): Promise<void> {
	const fault = new Fault(`The GPU ${gpu} was not given back`, {
		why: "the helper that would have done it has died",
		fix: `sudo virtualghost gpu restore ${gpu}`,
	});
	// pkexec would ask.
	if (helper.how === "pkexec") throw fault;
	const restored = await restoreByHelper(gpu, env, new AbortController().signal, true).catch(() => null);
	if (restored === null) throw fault;
	checkRestored(restored);
}

/** @throws Fault that names every function that is not as it was */
export function checkRestored(cards: readonly RestoredCard[]): void {
	const failed = cards.filter((card) => !isRestored(card));
	if (failed.length === 0) return;
	throw new Fault(`${failed.map(({ gpu }) => gpu).join(", ")}: not everything came back`, {
		why: failed
			.flatMap(({ gpu, problem, functions }) => [
				...(problem === null ? [] : [`${gpu}: ${problem}`]),
				...functions.flatMap(problemOf),
			])
			.join(INDENT),
		fix: `\`sudo virtualghost gpu restore\` tries once more; if that does not help, restart this system`,
	});
}
