/** Makes a snapshot: boots a machine of the same shape that knows no secret, waits until it is ready, and keeps its memory and devices. */
import { join } from "node:path";
import { Fault } from "../../errors.ts";
import { describe } from "../../plan/fallback.ts";
import type { Machine } from "../machine.ts";
import { migrationEnds, useMappedMemory } from "./restore.ts";
import { SNAPSHOT_FILE } from "./store.ts";

/** After the last word of the guest: what the start still does in the background ends meanwhile. */
const SETTLE_MS = 4000;
const SAVE_TIMEOUT_MS = 60_000;

/** Resolves when memory and devices are in `folder` and QEMU is gone. @throws Fault */
export async function saveMachine(machine: Machine, folder: string, bootMs: number): Promise<void> {
	const failure = await machine.firstSignOfLife(bootMs);
	if (failure) throw new Fault("The machine for the snapshot did not start", { why: describe(failure) });
	await machine.reach("waiting", bootMs);
	if (machine.plan.gpu === "software" && !machine.plan.sessionLater) await machine.reach("terminal", bootMs);
	await Bun.sleep(SETTLE_MS);
	await machine.qmp.execute("stop");
	await useMappedMemory(machine.qmp);
	await machine.qmp.execute("migrate", { uri: `file:${join(folder, SNAPSHOT_FILE.state)}` });
	await migrationEnds(machine.qmp, SAVE_TIMEOUT_MS);
	await machine.qmp.execute("quit").catch(() => {});
	await machine.child.exited;
}
