/** Judges how a machine ended. Pure: the exit code tells the truth because every way of ending is told apart here. */
import { Fault } from "../errors.ts";
import { isAtLeast } from "../plan/facts.ts";
import { NOTHING_DRAWN_STATUS, OPENGL_MIN } from "../wire/names.ts";
import type { Graphics, SessionEnd } from "./guest-watch.ts";
import type { Ending } from "./machine.ts";

export interface EndingFacts extends Ending {
	readonly session: SessionEnd | null;
	/** What the guest's GPU gave its clients, where it said so. */
	readonly graphics: Graphics | null;
	/** Whether the guest gave any sign of life. */
	readonly alive: boolean;
	/** Why the guest gave up, by its own word on the console. */
	readonly fatal: string | null;
	/** Why its kernel panicked, where the console told. */
	readonly panic: string | null;
	/** Last lines of the serial console and of QEMU. */
	readonly serialTail: string;
	readonly qemuTail: string;
	readonly logFolder: string;
}

/** systemd's words for a service that did not end by its own will or by being stopped (systemd.exec(5), $SERVICE_RESULT). */
const CRASHES = new Set(["signal", "core-dump", "oom-kill", "watchdog"]);

/** Null if the machine ended as it should, else what to tell the user. */
export function judgeEnding(facts: EndingFacts): Fault | null {
	const { session, shutdown } = facts;
	const log = facts.logFolder;
	if (session && !session.terminalWasUp && facts.graphics && !isAtLeast(facts.graphics.version, OPENGL_MIN)) {
		const { version, renderer } = facts.graphics;
		return new Fault("The GPU that was asked for is not good enough for the terminal", {
			why: `a client in the guest gets OpenGL ${version || "of no kind"} from "${renderer}", and ${OPENGL_MIN} is needed`,
			fix: "use --gpu auto, which draws in software then",
			log,
		});
	}
	if (session && !session.terminalWasUp && session.status === `exited ${NOTHING_DRAWN_STATUS}`) {
		return new Fault("The terminal shows nothing on the GPU that was asked for", {
			why: session.log.match(/^virtualghost: (nothing was drawn .*)$/m)?.[1],
			fix: "use --gpu auto, which draws in software then",
			log,
			tail: session.log.trim(),
		});
	}
	if (session && !session.terminalWasUp) {
		return new Fault("The terminal did not start", {
			why: `its session ended at once (${session.result} ${session.status})`.trim(),
			log,
			tail: session.log.trim() || facts.serialTail,
		});
	}
	if (session && CRASHES.has(session.result)) {
		return new Fault("The session in the guest crashed", {
			why: `${session.result} ${session.status}`.trim(),
			log,
			tail: session.log.trim(),
		});
	}
	if (facts.fatal) return new Fault("The guest could not start", { why: facts.fatal, log, tail: facts.serialTail });
	if (facts.trouble === "hung") {
		return new Fault("The guest does not answer any more and was ended", {
			why: "neither its agent nor its kernel gave a sign of life",
			fix: "--hung-timeout gives it more time, 0 all the time there is",
			log,
			tail: facts.serialTail,
		});
	}
	if (facts.trouble === "internal-error") {
		return new Fault("The guest's processor stopped by an error and cannot go on", {
			why: "QEMU reports an internal error of the virtual processor",
			log,
			tail: facts.qemuTail || facts.serialTail,
		});
	}
	if (facts.panicked) {
		return new Fault("The guest's kernel panicked", { why: facts.panic ?? undefined, log, tail: facts.serialTail });
	}
	if (facts.exitCode !== 0) {
		return new Fault(`QEMU ended with ${describeExit(facts.exitCode)}`, { log, tail: facts.qemuTail });
	}
	// The launcher's own quit and TERM never come here: any other signal to QEMU is somebody else's.
	// GTK's window says "quit" where SDL's says that it was closed.
	if (shutdown === "guest-shutdown" || shutdown === "host-ui" || shutdown === "host-qmp-quit") return null;
	// With -no-reboot a reset ends QEMU: `reboot` in the terminal (its session ended first), or a crash.
	if (shutdown === "guest-reset" && session) return null;
	if (shutdown === "guest-reset") return new Fault("The guest crashed and was reset", { log, tail: facts.serialTail });
	// The window was closed so early that QEMU could not say so: events come only after the greeting is answered.
	if (shutdown === null && !facts.alive) return null;
	return new Fault("QEMU ended without a word", { why: shutdown ?? undefined, log, tail: facts.qemuTail });
}

function describeExit(code: number): string {
	return code > 128 ? `signal ${code - 128}` : `exit code ${code}`;
}
