/**
 * The root half: binds a card for the launcher, outlives it if it is killed, and gives the card back. It believes nothing that
 * the launcher has found out: every rule is looked at again, with root's eyes.
 */
import { Fault } from "../errors.ts";
import type { Bdf } from "./bdf.ts";
import { type Binding, bind, problemOf, refuseHeldNode, stepsOf } from "./bind.ts";
import { discover } from "./discover.ts";
import { bootId, giveBack, isRestored, lockGroup, ownId } from "./give-back.ts";
import type { HelperRequest } from "./grammar.ts";
import type { GroupLock, Journal } from "./journal.ts";
import { judge } from "./judge.ts";
import type { Line } from "./line.ts";
import { type RestoredCard, START } from "./messages.ts";
import { readFunction } from "./pci-function.ts";
import { planPassthrough, VFIO_PCI } from "./plan.ts";
import { INDENT, refusal } from "./refusal.ts";
import type { World } from "./world.ts";

/** Does what was asked and says how it went; true if all went well. Throws only what is a defect. */
export async function serveRequest(request: HelperRequest, uid: number, world: World, line: Line): Promise<boolean> {
	try {
		line.say({ hello: { protocol: 1 } });
		if ((await line.next()) !== START) return false;
		if (request.verb === "restore") return await restoreAll(world, request.gpu, line);
		return request.verb === "hold"
			? await hold(request.gpu, request.force, uid, world, line)
			: await bindAndKeep(request.gpu, request.force, uid, world, line);
	} catch (error) {
		if (!(error instanceof Fault)) throw error;
		const { why, fix } = error.details;
		line.say({ failed: { what: error.message, why, fix } });
		return false;
	}
}

async function hold(gpu: Bdf, force: boolean, uid: number, world: World, line: Line): Promise<boolean> {
	using lock = await takeGroup(world, gpu, force);
	if (keptBinding(world, gpu) !== null) {
		throw new Fault(`${gpu} was bound by \`gpu apply\` for another user`, {
			fix: `\`sudo virtualghost gpu apply ${gpu}\` gives it to you, \`sudo virtualghost gpu restore ${gpu}\` to the host`,
		});
	}
	const binding = await prepare(world, gpu, force, uid, lock);
	await bind(world, binding);
	const { plan, journal } = binding;
	line.say({ ready: { gpu, node: plan.node, functions: [...plan.passed] } });
	await line.next();
	const onWaiting = (holders: readonly { pid: number; name: string }[]) =>
		line.say({ waiting: holders.map(({ pid, name }) => ({ pid, name })) });
	const card = await giveBack(world, journal, lock, { limitMs: null, onWaiting });
	line.say({ restored: [card] });
	return isRestored(card);
}

async function bindAndKeep(gpu: Bdf, force: boolean, uid: number, world: World, line: Line): Promise<boolean> {
	using lock = await takeGroup(world, gpu, force);
	const kept = keptBinding(world, gpu);
	if (kept !== null) {
		// Whoever has it open keeps it open, whoever owns it then.
		if (world.nodeOwner(kept.node)?.uid !== uid) refuseHeldNode(world, kept.node);
		world.giveNode(kept.node, { uid, mode: 0o600 });
		line.say({ bound: { gpu, node: kept.node, did: [`it was bound already; ${ownerOf(kept.node, uid)}`] } });
		return true;
	}
	const binding = await prepare(world, gpu, force, uid, lock);
	await bind(world, binding);
	world.journals.save({ ...binding.journal, kept: true });
	line.say({ bound: { gpu, node: binding.plan.node, did: whatWasDone(binding) } });
	return true;
}

function whatWasDone(binding: Binding): string[] {
	const changed = new Set(stepsOf(binding).flatMap((step) => (step.op === "probe" ? [step.bdf] : [])));
	return [
		...stepsOf(binding).flatMap((step) => (step.op === "load-module" ? [`loaded the module ${step.module}`] : [])),
		...binding.journal.functions
			.filter(({ bdf }) => changed.has(bdf))
			.map(({ bdf, driver }) => `${bdf}: ${driver ?? "no driver"} -> ${VFIO_PCI}`),
		ownerOf(binding.plan.node, binding.uid),
	];
}

function ownerOf(node: string, uid: number): string {
	return uid === 0 ? `${node} is root's` : `${node} belongs to user ${uid}`;
}

/** The lock of the card's group. @throws Fault */
async function takeGroup(world: World, gpu: Bdf, force: boolean): Promise<GroupLock> {
	const group = readFunction(world.files, gpu)?.group ?? null;
	if (group === null) {
		const asker = { uid: 0, memlockBytes: null, guestMemoryBytes: null };
		throw refusal(gpu, judge(discover(world.files), gpu, asker), force) ?? new Fault(`${gpu} has no IOMMU group`);
	}
	const lock = await lockGroup(world, group);
	if (lock !== null) return lock;
	throw new Fault(`IOMMU group ${group} with the GPU ${gpu} is taken`, {
		why: "another run of virtualghost has it, or is just giving it back",
		fix: "wait for its end, or stop that machine (`virtualghost list`)",
	});
}

/** The journal of a card that `gpu apply` bound and that is still bound. */
function keptBinding(world: World, gpu: Bdf): Journal | null {
	const journal = world.journals.load(gpu)?.journal;
	if (!journal?.kept || journal.bootId !== bootId(world)) return null;
	const isBound = journal.functions.every(({ bdf }) => readFunction(world.files, bdf)?.driver === VFIO_PCI);
	return isBound && world.nodeOwner(journal.node) ? journal : null;
}

/** Clears away what an earlier run left of this group, judges, and plans. Nothing of the card is changed yet otherwise. @throws Fault */
async function prepare(world: World, gpu: Bdf, force: boolean, uid: number, lock: GroupLock): Promise<Binding> {
	await clearLeftovers(world, gpu, lock);
	const host = discover(world.files);
	const fault = refusal(gpu, judge(host, gpu, { uid, memlockBytes: null, guestMemoryBytes: null }), force);
	if (fault) throw fault;
	const plan = planPassthrough(host, gpu, uid);
	const journal: Journal = {
		version: 1,
		bootId: bootId(world),
		gpu,
		group: plan.group,
		node: plan.node,
		nodeBefore: world.nodeOwner(plan.node),
		kept: false,
		helper: ownId(),
		functions: plan.functions.map(({ bdf, driver, driverOverride }) => ({ bdf, driver, driverOverride })),
	};
	return { plan, journal, lock, uid };
}

/** Else what a killed helper left would be taken for what was there before it. */
async function clearLeftovers(world: World, gpu: Bdf, lock: GroupLock): Promise<void> {
	const group = readFunction(world.files, gpu)?.group;
	for (const found of world.journals.list()) {
		if (found.journal === null) {
			if (found.gpu !== gpu) continue;
			throw new Fault(`The journal ${world.journals.pathOf(gpu)} cannot be used`, {
				why: `${found.why}; without it nobody knows which drivers the card had`,
				fix: "restart this system, which gives every device its driver, then remove that file",
			});
		}
		if (found.gpu !== gpu && found.journal.group !== group) continue;
		if (found.journal.bootId !== bootId(world)) {
			world.journals.remove(found.gpu);
			continue;
		}
		if (found.journal.kept && found.gpu !== gpu) {
			throw new Fault(`${found.gpu}, of the same IOMMU group as ${gpu}, was bound by \`gpu apply\``, {
				why: "it is meant to stay so, and a group is one user's as a whole",
				fix: `\`sudo virtualghost gpu restore ${found.gpu}\` gives it back; then try again`,
			});
		}
		const card = await giveBack(world, found.journal, lock, { limitMs: world.patienceMs });
		if (isRestored(card)) continue;
		throw new Fault(`${found.gpu} is not back from an earlier run`, {
			why: [card.problem ?? [], ...card.functions.flatMap(problemOf)].flat().join(INDENT),
			fix: "if `sudo virtualghost gpu restore` does not help, restart this system",
		});
	}
}

/** Restores every card with a journal, or one; a failure is no reason not to go on. */
async function restoreAll(world: World, gpu: Bdf | null, line: Line): Promise<boolean> {
	const cards: RestoredCard[] = [];
	for (const found of world.journals.list()) {
		const isAsked = gpu === null || found.gpu === gpu || found.journal?.functions.some(({ bdf }) => bdf === gpu);
		if (isAsked) cards.push(...(await restoreCard(world, found.gpu)));
	}
	line.say({ restored: cards });
	return cards.every(isRestored);
}

async function restoreCard(world: World, gpu: Bdf): Promise<RestoredCard[]> {
	const card = (problem: string | null, isVoid: boolean) => [{ gpu, functions: [], problem, void: isVoid }];
	const unlocked = world.journals.load(gpu);
	if (unlocked === null) return [];
	if (unlocked.journal === null) return card(`its journal cannot be used: ${unlocked.why}`, false);
	using lock = await lockGroup(world, unlocked.journal.group);
	if (lock === null) {
		const { pid } = unlocked.journal.helper;
		return card(`process ${pid} looks after it: a machine has it, or a write hangs in the kernel`, false);
	}
	// It may have been given back, or taken anew, before the lock was ours.
	const journal = world.journals.load(gpu)?.journal;
	if (!journal) return [];
	if (journal.bootId !== bootId(world)) {
		world.journals.remove(gpu);
		return card(null, true);
	}
	return [await giveBack(world, journal, lock, { limitMs: world.patienceMs })];
}
