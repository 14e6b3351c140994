/** The way into a machine that another launcher runs: its record, its keys, its agent. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EXIT, Fault } from "../errors.ts";
import { openTransport } from "../network/transport.ts";
import type { Control } from "../plan/machine-plan.ts";
import { GuestSession } from "../ssh/client.ts";
import { AGENT_VSOCK_PORT } from "../wire/names.ts";
import { INSTANCE_FILE, type InstanceRecord } from "./instance-record.ts";
import { type FoundInstance, isRunning, readRecord } from "./registry.ts";

/** How often a machine that still boots is looked at. */
const LOOK_AGAIN_MS = 100;

/** Waits until the machine's agent answers. @throws Fault if the machine ends first, or `signal` is aborted. */
export async function whenUp(
	found: FoundInstance,
	signal?: AbortSignal,
): Promise<InstanceRecord & { control: Control }> {
	const { name } = found.record;
	for (;;) {
		signal?.throwIfAborted();
		const record = readRecord(found.folder);
		if (!record || !isRunning(found.folder, record)) {
			throw new Fault(`The machine ${name} has ended`, { exitCode: EXIT.launcher });
		}
		if (record.stage === "stopping")
			throw new Fault(`The machine ${name} is shutting down`, { exitCode: EXIT.launcher });
		if (record.stage === "up" && record.control) return { ...record, control: record.control };
		await sleep(LOOK_AGAIN_MS, undefined, { signal }).catch(() => {});
	}
}

/** Logs in to the machine's agent, once it is up. @throws Fault */
export async function connectInstance(
	found: FoundInstance,
	{ user, signal }: { user?: string; signal?: AbortSignal } = {},
): Promise<GuestSession> {
	const { control } = await whenUp(found, signal);
	const read = (name: string) => {
		try {
			return readFileSync(join(found.folder, name), "utf8");
		} catch (error) {
			throw new Fault(`The machine ${found.record.name} has ended`, { exitCode: EXIT.launcher, cause: error });
		}
	};
	const hostPublicKey = read(INSTANCE_FILE.knownHosts).trim().split(" ").slice(1).join(" ");
	const transport = await openTransport(control, AGENT_VSOCK_PORT).connect();
	return await GuestSession.open(transport, {
		identity: read(INSTANCE_FILE.identity),
		hostPublicKey,
		...(user === undefined ? {} : { user }),
	});
}
