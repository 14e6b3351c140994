/** Takes the steps of a plan: the journal first, then the writes. One that fails is the end, and what was done is undone at once. */
import { Fault, type FaultDetails, reason } from "../errors.ts";
import type { Bdf } from "./bdf.ts";
import type { GroupLock, Journal } from "./journal.ts";
import { holderNames, nodeHolders } from "./node-holders.ts";
import { PCI_DEVICES, readFunction } from "./pci-function.ts";
import { type PassthroughPlan, type Step, VFIO_PCI } from "./plan.ts";
import { DRIVERS_PROBE, type RestoredFunction, restoreFunctions } from "./restore.ts";
import { WriteProblem } from "./sysfs.ts";
import type { World } from "./world.ts";

/** A binding that is about to be: what to do, and how to undo it. */
export interface Binding {
	readonly plan: PassthroughPlan;
	readonly journal: Journal;
	readonly lock: GroupLock;
	/** Who gets the group's node. */
	readonly uid: number;
}

/** With everything on vfio-pci already, only the node changes hands. */
export function stepsOf({ plan, uid }: Pick<Binding, "plan" | "uid">): readonly Step[] {
	return plan.prebound ? [{ op: "journal" }, { op: "give-node", path: plan.node, uid }] : plan.steps;
}

/** @throws Fault; then everything is as before, or the Fault says what is not, and the journal stays. */
export async function bind(world: World, binding: Binding): Promise<void> {
	const { plan, journal, lock } = binding;
	let journaled = false;
	let current: Step | null = null;
	try {
		for (const step of stepsOf(binding)) {
			current = step;
			if (step.op === "journal") {
				refuseHeldNode(world, plan.node);
				world.journals.save(journal);
				journaled = true;
			} else if (step.op === "load-module") await world.loadModule(step.module, lock.fd);
			else if (!journaled) throw new Error(`${step.op} before the journal`);
			else await take(world, step, lock);
		}
		if (!journaled) throw new Error("a plan without a journal");
	} catch (error) {
		if (!journaled) throw asFault(plan.gpu, error);
		const isHung = error instanceof WriteProblem && error.kind === "hung";
		const hung = isHung && current !== null && "bdf" in current ? current.bdf : null;
		throw await rollBack(world, binding, asFault(plan.gpu, error), hung);
	}
}

/** @throws Fault */
export function refuseHeldNode(world: World, node: string): void {
	const holders = nodeHolders(world.files, node);
	if (holders.length === 0) return;
	throw new Fault(`${node} is in use`, {
		why: `${holderNames(holders)} has it open`,
		fix: "end it first; nothing was changed",
	});
}

/** @throws WriteProblem, Fault */
async function take(
	world: World,
	step: Exclude<Step, { op: "journal" | "load-module" }>,
	lock: GroupLock,
): Promise<void> {
	if (step.op === "override") {
		await world.write(`${PCI_DEVICES}/${step.bdf}/driver_override`, step.value, lock.fd);
	} else if (step.op === "unbind") {
		await world.write(`${PCI_DEVICES}/${step.bdf}/driver/unbind`, step.bdf, lock.fd);
	} else if (step.op === "probe") {
		await world.write(DRIVERS_PROBE, step.bdf, lock.fd);
		checkBound(world, step.bdf);
	} else {
		await world.settle();
		world.giveNode(step.path, { uid: step.uid, mode: 0o600 });
	}
}

/** A driver that does not want a device is no error of the write. */
function checkBound(world: World, bdf: Bdf): void {
	const now = readFunction(world.files, bdf);
	if (now?.driver === VFIO_PCI) return;
	throw new Fault(`${VFIO_PCI} did not take ${bdf}`, {
		why: now === null ? "the device is gone" : now.driver === null ? "it has no driver now" : `${now.driver} has it`,
		fix: "the kernel's own messages (dmesg) tell why",
	});
}

/** What the user hears: the first failure, and how the undoing went. */
async function rollBack(
	world: World,
	{ plan, journal, lock }: Binding,
	failure: Fault,
	hung: Bdf | null,
): Promise<Fault> {
	const restored = await restoreFunctions(world, journal.functions, lock.fd, hung);
	const problems = restored.flatMap(problemOf);
	const { why, fix } = failure.details;
	if (problems.length > 0) {
		return new Fault(failure.message, {
			...failure.details,
			why: [why, "and not everything could be put back:", ...problems].filter(Boolean).join("\n       "),
			fix: `${fix ? `${fix}; then ` : ""}\`sudo virtualghost gpu restore ${plan.gpu}\`; if that does not help, a reboot does`,
		});
	}
	try {
		if (journal.nodeBefore && world.nodeOwner(journal.node)) world.giveNode(journal.node, journal.nodeBefore);
		world.journals.remove(journal.gpu);
	} catch (error) {
		// The first failure is still the news.
		return new Fault(failure.message, {
			...failure.details,
			why: `${why ?? "?"}; every driver is back, but the journal stays: ${reason(error)}`,
			fix: `${fix ? `${fix}; then ` : ""}\`sudo virtualghost gpu restore ${plan.gpu}\``,
		});
	}
	return new Fault(failure.message, { ...failure.details, why: `${why ?? "?"}; everything was put back as it was` });
}

/** `0000:01:00.0 (nouveau): why`, or nothing. */
export function problemOf({ bdf, was, problem }: RestoredFunction): string[] {
	return problem === null ? [] : [`${bdf} (${was ?? "no driver"}): ${problem}`];
}

function asFault(gpu: Bdf, error: unknown): Fault {
	if (error instanceof Fault) return error;
	const isHung = error instanceof WriteProblem && error.kind === "hung";
	const fix = isHung ? "end what uses it (`virtualghost gpu list` names it)" : undefined;
	const details: FaultDetails = { why: reason(error), fix, cause: error };
	return new Fault(`${gpu} could not be taken from its driver`, details);
}
