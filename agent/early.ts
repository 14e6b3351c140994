/**
 * The initramfs starts the agent beside systemd, so that both come up at once: on an emulated processor that saves seconds. Its unit takes it over
 * as soon as it runs (agent-start); until then there is no /run of systemd's, no control group and no terminal for a program to run in.
 */
import { existsSync, watch } from "node:fs";
import { dirname } from "node:path";
import { GUEST_PATH } from "../src/wire/names.ts";

let isUp = false;

/** Resolves when the unit has taken this process over: at once for the rest of its life. */
export async function whenSystemIsUp(): Promise<void> {
	if (isUp) return;
	const { promise, resolve } = Promise.withResolvers<void>();
	const watcher = watch(dirname(GUEST_PATH.agentPid), () => existsSync(GUEST_PATH.agentPid) && resolve());
	if (existsSync(GUEST_PATH.agentPid)) resolve();
	await promise;
	watcher.close();
	isUp = true;
}
