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

const BUS_SOCKET = "/run/dbus/system_bus_socket";
/** A system without it has no bus at all. */
const BUS_UNIT = "/usr/lib/systemd/system/dbus.socket";
const LOOK_MS = 20;
/** A system whose bus does not come is to be looked at all the same. */
const BUS_MS_MAX = 15_000;

/** Resolves when a program can ask systemd for something, as whoever logs in expects: `systemctl` of a user's goes over the system's bus. */
export async function whenBusIsUp(): Promise<void> {
	await whenSystemIsUp();
	if (!existsSync(BUS_UNIT)) return;
	const end = performance.now() + BUS_MS_MAX;
	while (!existsSync(BUS_SOCKET) && performance.now() < end) await Bun.sleep(LOOK_MS);
}
