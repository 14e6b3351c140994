/** When a guest counts as lost, and above all when it does not. The hang, the panic and a QEMU that stands still are in test/vm/watch.test.ts. */
import { expect, test } from "bun:test";
import { EventEmitter } from "node:events";
import { type Guarded, GuestGuard, patienceOf } from "../../../src/vm/guest-guard.ts";
import type { QmpEvent } from "../../../src/vm/qmp.ts";

const PATIENCE = { silenceMs: 60, answerMs: 40 };
/** Long enough for every verdict that is due. */
const LATER_MS = 250;

class Guest extends EventEmitter<{ event: [QmpEvent] }> implements Guarded {
	readonly qmp = { on: this.on.bind(this) as never, execute: () => Promise.resolve({ status: this.status }) };
	status = "running";
	alive = true;
	reply = false;
	asked = 0;
	readonly notes: string[] = [];
	isAlive = () => this.alive;
	note = (text: string) => void this.notes.push(text);

	async answers(timeoutMs: number): Promise<boolean> {
		this.asked++;
		if (!this.reply) await Bun.sleep(timeoutMs);
		return this.reply;
	}

	says(event: string): void {
		this.emit("event", { event, data: {} });
	}
}

async function verdict(guard: GuestGuard): Promise<string> {
	return await Promise.race([guard.trouble, Bun.sleep(LATER_MS).then(() => "none")]);
}

test("silence and no answer: hung", async () => {
	using guard = new GuestGuard(new Guest(), PATIENCE);
	guard.beat();
	expect(await verdict(guard)).toBe("hung");
});

test("an agent that stops reporting is asked after, and its guest lives on", async () => {
	const guest = new Guest();
	guest.reply = true;
	using guard = new GuestGuard(guest, PATIENCE);
	guard.beat();
	expect(await verdict(guard)).toBe("none");
	expect(guest.asked).toBeGreaterThan(1);
	expect(guest.notes[0]).toContain("its kernel still answers");
});

test("heartbeats keep it from asking; one that comes while it asks counts", async () => {
	const guest = new Guest();
	using guard = new GuestGuard(guest, PATIENCE);
	const beats = setInterval(() => guard.beat(), 20);
	expect(await verdict(guard)).toBe("none");
	expect(guest.asked).toBe(0);
	clearInterval(beats);
	await Bun.sleep(PATIENCE.silenceMs);
	guard.beat();
	guest.reply = true;
	expect(await verdict(guard)).toBe("none");
});

test("nobody waits for an agent that never reported, for a machine that rests, or without patience", async () => {
	using never = new GuestGuard(new Guest(), PATIENCE);
	using impatient = new GuestGuard(new Guest(), patienceOf(0));
	impatient.beat();
	const guest = new Guest();
	using paused = new GuestGuard(guest, PATIENCE);
	paused.beat();
	guest.says("STOP");
	expect(await Promise.all([verdict(never), verdict(impatient), verdict(paused)])).toEqual(["none", "none", "none"]);
	guest.says("RESUME");
	expect(await verdict(paused)).toBe("hung");
});

test("a stop by an internal error is told at once, but not before the kernel runs, and no other stop is", async () => {
	const guest = new Guest();
	using guard = new GuestGuard(guest, PATIENCE);
	guest.status = "paused";
	guest.says("STOP");
	guest.status = "internal-error";
	guest.alive = false;
	guest.says("STOP");
	expect(await verdict(guard)).toBe("none");
	guest.alive = true;
	guest.says("STOP");
	expect(await verdict(guard)).toBe("internal-error");
});

test("the verdict falls within the time that was given", () => {
	const { silenceMs = 0, answerMs = 0 } = patienceOf(30_000) ?? {};
	expect(silenceMs + answerMs).toBeLessThan(30_000);
	expect(silenceMs).toBeGreaterThan(15_000);
});
