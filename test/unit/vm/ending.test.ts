import { expect, test } from "bun:test";
import { type EndingFacts, judgeEnding } from "../../../src/vm/ending.ts";

const good: EndingFacts = {
	exitCode: 0,
	shutdown: "guest-shutdown",
	panicked: false,
	trouble: null,
	session: { event: "session-ended", result: "success", status: "exited 0", terminalWasUp: true, log: "" },
	graphics: null,
	alive: true,
	fatal: null,
	panic: null,
	serialTail: "serial",
	qemuTail: "qemu",
	logFolder: "/logs",
};

const judge = (change: Partial<EndingFacts>) => judgeEnding({ ...good, ...change })?.message ?? null;

test("ways of leaving that are no failure", () => {
	expect(judge({})).toBeNull();
	expect(judge({ session: null })).toBeNull();
	expect(judge({ shutdown: "host-ui", session: null })).toBeNull();
	expect(judge({ shutdown: "host-qmp-quit", session: null })).toBeNull();
	expect(
		judge({
			session: {
				...good.session,
				event: "session-ended",
				result: "exit-code",
				status: "exited 3",
				terminalWasUp: true,
				log: "",
			},
		}),
	).toBeNull();
	expect(judge({ shutdown: "guest-reset" })).toBeNull();
	expect(judge({ shutdown: null, session: null, alive: false })).toBeNull();
});

test("everything else is told, never 0", () => {
	const session = {
		event: "session-ended" as const,
		result: "exit-code",
		status: "exited 1",
		terminalWasUp: false,
		log: "no GL",
	};
	expect(judgeEnding({ ...good, session })).toMatchObject({
		message: "The terminal did not start",
		details: { tail: "no GL" },
	});
	const silent = { ...session, status: "exited 79", log: "a\nvirtualghost: nothing was drawn within 30 s\n" };
	expect(judgeEnding({ ...good, session: silent })).toMatchObject({
		message: "The terminal shows nothing on the GPU that was asked for",
		details: { why: "nothing was drawn within 30 s" },
	});
	expect(judge({ session: { ...silent, terminalWasUp: true } })).toBeNull();
	expect(judge({ session: { ...session, result: "core-dump", terminalWasUp: true } })).toBe(
		"The session in the guest crashed",
	);
	expect(judge({ session: null, fatal: "no root disk" })).toBe("The guest could not start");
	expect(judgeEnding({ ...good, panicked: true, panic: "no init found" })).toMatchObject({
		message: "The guest's kernel panicked",
		details: { why: "no init found", tail: "serial" },
	});
	expect(judge({ trouble: "hung", exitCode: 137 })).toBe("The guest does not answer any more and was ended");
	expect(judge({ trouble: "internal-error" })).toBe("The guest's processor stopped by an error and cannot go on");
	expect(judge({ exitCode: 137, shutdown: null })).toBe("QEMU ended with signal 9");
	expect(judge({ exitCode: 1, shutdown: null })).toBe("QEMU ended with exit code 1");
	expect(judge({ shutdown: "guest-reset", session: null })).toBe("The guest crashed and was reset");
	expect(judge({ shutdown: null })).toBe("QEMU ended without a word");
	expect(judge({ shutdown: "host-signal", session: null })).toBe("QEMU ended without a word");
});
