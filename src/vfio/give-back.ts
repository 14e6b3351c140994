/** From a journal back to the drivers: not before the last user of the group is gone, and the journal goes last. */
import { Fault, reason } from "../errors.ts";
import { identify, isAlive } from "../host/processes.ts";
import type { Holder } from "./holders.ts";
import type { GroupLock, Journal } from "./journal.ts";
import type { RestoredCard } from "./messages.ts";
import { holderNames, nodeHolders } from "./node-holders.ts";
import { restoreFunctions } from "./restore.ts";
import type { World } from "./world.ts";

export interface Patience {
	/** How long users of the group are waited for, in milliseconds; null: until they are gone. */
	readonly limitMs: number | null;
	/** Called when those who are waited for have changed. */
	readonly onWaiting?: (holders: readonly Holder[]) => void;
}

/** How this process signs a journal. */
export function ownId(): Journal["helper"] {
	return identify(process.pid) ?? { pid: process.pid, startTime: null };
}

/** The start of the kernel that this is. */
export function bootId(world: World): string {
	return world.files.read("/proc/sys/kernel/random/boot_id")?.trim() ?? "";
}

/** Null while a living helper has the group. The last write of a dead one, still in the kernel, is waited for. @throws Fault */
export async function lockGroup(world: World, group: number): Promise<GroupLock | null> {
	const started = performance.now();
	for (;;) {
		const lock = world.journals.lock(group);
		if (lock !== null) return lock;
		const isHeld = world.journals.list().some(({ journal }) => journal?.group === group && isAlive(journal.helper));
		if (isHeld || performance.now() - started >= world.patienceMs) return null;
		await Bun.sleep(world.pollMs);
	}
}

/** Restores one card, under the group's lock. The journal stays if something did not come back. Throws only what is a defect. */
export async function giveBack(
	world: World,
	journal: Journal,
	lock: GroupLock,
	patience: Patience,
): Promise<RestoredCard> {
	const { gpu, node } = journal;
	const isSigned = sign(world, journal);
	// So that nobody opens it between the look and the write.
	const owner = world.nodeOwner(node);
	if (owner) tryGiveNode(world, node, { uid: 0, mode: 0o600 });
	const holders = await untilFree(world, node, patience);
	if (holders.length > 0) {
		// Nothing was given back: a binding that was meant to stay goes on as it was, and so does its owner.
		if (owner && world.nodeOwner(node)) tryGiveNode(world, node, owner);
		if (isSigned) trySave(world, journal);
		return { gpu, functions: [], problem: `${node} is still in use by ${holderNames(holders)}`, void: false };
	}
	const functions = await restoreFunctions(world, journal.functions, lock.fd);
	if (journal.nodeBefore && world.nodeOwner(node)) tryGiveNode(world, node, journal.nodeBefore);
	const card = { gpu, functions, problem: null, void: false };
	if (!isRestored(card)) return card;
	try {
		world.journals.remove(gpu);
		return card;
	} catch (error) {
		return { ...card, problem: `it is back, but its journal stays: ${reason(error)}` };
	}
}

/** From here on a dead signer means that this was cut off, whatever the journal was before. A full disk is no reason to keep the card. */
function sign(world: World, journal: Journal): boolean {
	const helper = ownId();
	if (!journal.kept && journal.helper.pid === helper.pid && journal.helper.startTime === helper.startTime) return false;
	return trySave(world, { ...journal, kept: false, helper });
}

/** False where the disk does not take it. */
function trySave(world: World, journal: Journal): boolean {
	try {
		world.journals.save(journal);
		return true;
	} catch (error) {
		if (!(error instanceof Fault)) throw error;
		return false;
	}
}

export function isRestored({ problem, functions }: RestoredCard): boolean {
	return problem === null && functions.every((each) => each.problem === null);
}

/** Who still has it when patience ends; empty: nobody. */
async function untilFree(world: World, node: string, { limitMs, onWaiting }: Patience): Promise<readonly Holder[]> {
	const started = performance.now();
	let told = "";
	for (;;) {
		const holders = nodeHolders(world.files, node);
		if (holders.length === 0) return [];
		if (limitMs !== null && performance.now() - started >= limitMs) return holders;
		const names = holderNames(holders);
		if (names !== told) onWaiting?.(holders);
		told = names;
		await Bun.sleep(world.pollMs);
	}
}

/** Who may open a node that is about to vanish is not worth a failure. */
function tryGiveNode(world: World, node: string, owner: { uid: number; mode: number }): void {
	try {
		world.giveNode(node, owner);
	} catch {
		// It vanished just now.
	}
}
