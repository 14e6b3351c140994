/** Restores a machine: loads its devices, maps its memory, lets it run, and tells it who it is. */
import { join } from "node:path";
import { Fault } from "../../errors.ts";
import { keptDiskDevice } from "../../plan/devices/disks.ts";
import { isDrawn } from "../../plan/snapshot.ts";
import type { Machine } from "../machine.ts";
import type { Qmp } from "../qmp.ts";
import { makeIdentity } from "./identity.ts";
import { SNAPSHOT_FILE } from "./store.ts";

const LOOK_MS = 5;
/** Devices are loaded in a fraction of a second; the agent answers within one or two even on an emulated processor. */
const LOAD_TIMEOUT_MS = 20_000;
const ANSWER_TIMEOUT_MS = 60_000;

/** Guest memory is in a file that both sides map: only the devices are written and read. */
export async function useMappedMemory(qmp: Qmp): Promise<void> {
	await qmp.execute("migrate-set-capabilities", {
		capabilities: [{ capability: "x-ignore-shared", state: true }],
	});
}

/** Waits for the end of a migration. @throws Fault with QEMU's words if it fails, or takes too long */
export async function migrationEnds(qmp: Qmp, timeoutMs: number): Promise<void> {
	const end = Date.now() + timeoutMs;
	for (;;) {
		const answer = (await qmp.execute("query-migrate")) as { status?: string; "error-desc"?: string };
		if (answer.status === "completed") return;
		if (answer.status === "failed" || answer.status === "cancelled") {
			throw new Fault("QEMU refuses the snapshot", { why: answer["error-desc"] });
		}
		if (Date.now() > end) throw new Fault("the snapshot takes too long to load");
		await Bun.sleep(LOOK_MS);
	}
}

/** Resolves when the agent answers. @throws Fault if anything goes wrong; the machine is of no use then */
export async function restoreInto(
	machine: Machine,
	folder: string,
	name: string,
	isSame: () => boolean,
): Promise<void> {
	const ended = machine.child.exited.then((code) => {
		throw new Fault(`QEMU ended with ${code}`, { why: machine.qemuTail() });
	});
	await Promise.race([load(machine, folder), ended]);
	if (!isSame()) throw new Fault("another snapshot has taken its place");
	const identity = () => machine.tell(makeIdentity(name, machine.keys, machine.plan));
	machine.guest.onWaiting = identity;
	await machine.qmp.execute("cont");
	identity();
	if (isDrawn(machine.plan)) machine.window?.showGuest();
	await Promise.race([machine.reach("agent", ANSWER_TIMEOUT_MS), ended]);
	machine.guest.onWaiting = () => {};
}

async function load({ qmp, plan: { disks } }: Machine, folder: string): Promise<void> {
	await qmp.negotiate();
	await useMappedMemory(qmp);
	await qmp.execute("migrate-incoming", { uri: `file:${join(folder, SNAPSHOT_FILE.state)}` });
	await migrationEnds(qmp, LOAD_TIMEOUT_MS);
	// The guest finds them as soon as it runs.
	for (const disk of disks) await qmp.execute("device_add", keptDiskDevice(disk));
}
