/** The one way in which a machine is ended: ask the guest (through its agent), then QMP, then TERM, then KILL. Each interrupt skips ahead. */
import type { Interrupts } from "../interrupts.ts";
import type { Machine } from "./machine.ts";

/** How long each step may take, in milliseconds. A guest on software emulation needs seconds to shut down. */
const ASK_GUEST_MS = { hardware: 10_000, tcg: 30_000 };
const QMP_QUIT_MS = 3_000;
const TERM_MS = 3_000;

/** Returns when QEMU is gone. `orderly` says whether the guest shut itself down. */
export async function stopMachine(machine: Machine, interrupts: Interrupts): Promise<{ orderly: boolean }> {
	const step = async (milliseconds: number, action: () => unknown): Promise<boolean> => {
		if (!machine.child.running) return true;
		const { promise: refused, resolve: refuse } = Promise.withResolvers<void>();
		Promise.resolve()
			.then(action)
			.catch(() => refuse());
		await Promise.race([machine.child.exitsWithin(milliseconds), interrupts.next(), refused]);
		return !machine.child.running;
	};
	const patience = machine.plan.accelerator === "tcg" ? ASK_GUEST_MS.tcg : ASK_GUEST_MS.hardware;
	// Before its agent is up nothing in the guest listens, and nothing in it is worth waiting for.
	const listens = machine.guest.has("agent");
	if (listens && (await step(patience, () => askGuest(machine)))) {
		const { exitCode, shutdown, panicked } = await machine.ended;
		return { orderly: exitCode === 0 && shutdown === "guest-shutdown" && !panicked };
	}
	if (await step(QMP_QUIT_MS, () => machine.qmp.execute("quit"))) return { orderly: false };
	if (await step(TERM_MS, () => machine.child.kill("SIGTERM"))) return { orderly: false };
	machine.child.kill("SIGKILL");
	await machine.child.exited;
	return { orderly: false };
}

async function askGuest(machine: Machine): Promise<void> {
	using session = await machine.login();
	await session.control({ op: "poweroff" });
}
