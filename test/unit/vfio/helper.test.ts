/** Both halves over real pipes: the launcher's end, and the helper as a process that can be killed. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../../src/errors.ts";
import { type HelperRequest, helperWords } from "../../../src/vfio/grammar.ts";
import { Helper } from "../../../src/vfio/helper.ts";
import { type Message, RELEASE, START } from "../../../src/vfio/messages.ts";
import { readiness, releaseNow, warnOfLosses } from "../../../src/vfio/take.ts";
import { FakeMachine, GPU, NODE, SOUND } from "./fake-machine.ts";

const BACK = { [GPU]: ["nouveau", null], [SOUND]: ["snd_hda_intel", null] };
const TAKEN = { [GPU]: ["vfio-pci", "vfio-pci"], [SOUND]: ["vfio-pci", "vfio-pci"] };
const HOLD = { verb: "hold", gpu: GPU, force: false } as const;
const RESTORE = { verb: "restore", gpu: null } as const;
const NEVER = new AbortController().signal;
const PROGRAM = join(import.meta.dir, "helper-program.ts");

let machine: FakeMachine;
beforeEach(() => {
	machine = new FakeMachine();
});
afterEach(() => machine[Symbol.dispose]());

const journalPath = () => machine.at(`/var/lib/virtualghost/vfio/${GPU}.json`);
const environment = () => ({ PATH: process.env.PATH ?? "" });
const start = (request: HelperRequest = HOLD) =>
	run([process.execPath, PROGRAM, machine.root, ...helperWords(request)]);
const run = (argv: readonly string[]) => Helper.run({ how: "sudo", argv, env: environment(), interactive: false });

async function rest(helper: Helper): Promise<Message[]> {
	const messages: Message[] = [];
	for (let message = await helper.next(); message !== null; message = await helper.next()) messages.push(message);
	return messages;
}

/** Until the helper has given the card back, seen from outside. */
async function untilBack(): Promise<void> {
	while (existsSync(journalPath())) await Bun.sleep(5);
	expect(machine.state()).toEqual(BACK);
}

test("takes, waits for the word, gives back, ends", async () => {
	const helper = start();
	expect(await readiness(helper, HOLD, NEVER)).toEqual({ ready: { gpu: GPU, node: NODE, functions: [GPU, SOUND] } });
	expect(machine.state()).toEqual(TAKEN);
	helper.say(RELEASE);
	expect(await rest(helper)).toMatchObject([{ restored: [{ gpu: GPU, problem: null }] }]);
	expect([machine.state(), existsSync(journalPath())]).toEqual([BACK, false]);
});

test("the launcher's end is as good as its word", async () => {
	const helper = start();
	await readiness(helper, HOLD, NEVER);
	helper.hangUp();
	await untilBack();
});

test("so is SIGTERM, as at the end of the session", async () => {
	const argv = [process.execPath, PROGRAM, machine.root, ...helperWords(HOLD)];
	const child = Bun.spawn(argv, { stdin: "pipe", stdout: "pipe" });
	child.stdin.write(`${START}\n`);
	child.stdin.flush();
	while (machine.driver(GPU) !== "vfio-pci" || !existsSync(machine.at(NODE))) await Bun.sleep(5);
	child.kill("SIGTERM");
	expect(await child.exited).toBe(0);
	await untilBack();
});

test("given up on while it is at work, it gives back before anybody goes on", async () => {
	const helper = start();
	await helper.next();
	helper.say(START);
	await helper[Symbol.asyncDispose]();
	expect([machine.state(), existsSync(journalPath())]).toEqual([BACK, false]);
});

test("what it refuses arrives as it was said", async () => {
	rmSync(machine.at("/sys/class/iommu"), { recursive: true });
	rmSync(machine.at(`/sys/bus/pci/devices/${GPU}/iommu_group`));
	rmSync(machine.at(`/sys/bus/pci/devices/${SOUND}/iommu_group`));
	const fault = await readiness(start(), HOLD, NEVER).catch((error: unknown) => error);
	expect(fault).toBeInstanceOf(Fault);
	expect((fault as Fault).message).toContain("cannot be handed");
	expect((fault as Fault).details.why).toContain("no IOMMU is at work");
});

test("a helper that ends without a word is explained, with its own words", async () => {
	const fault = await readiness(run(["/bin/sh", "-c", "echo no such user >&2; exit 1"]), HOLD, NEVER).catch(
		(error) => error,
	);
	expect(fault).toBeInstanceOf(Fault);
	expect(fault.details).toMatchObject({ why: expect.stringContaining("sudo refused"), tail: "no such user" });
	expect(fault.details.fix).toContain(`gpu apply ${GPU}`);
});

test("one that dies after it was told to start has not been refused, and the remedy is told", async () => {
	const hello = JSON.stringify({ hello: { protocol: 1 } });
	const script = `echo '${hello}'; read word; exit 3`;
	const fault = await readiness(run(["/bin/sh", "-c", script]), HOLD, NEVER).catch((error) => error);
	expect(fault.message).toBe(`The helper for the GPU ${GPU} has died`);
	expect(fault.details).toMatchObject({
		why: expect.stringContaining("while it was binding"),
		fix: `sudo virtualghost gpu restore ${GPU}`,
	});
});

test("what does not come back to one that gave up is warned of", async () => {
	const restored = JSON.stringify({ restored: [{ gpu: GPU, functions: [], problem: "no", void: false }] });
	const helper = run(["/bin/sh", "-c", `echo '${restored}'`]);
	const warnings: string[] = [];
	await warnOfLosses(helper, { gpu: GPU, warn: (text) => void warnings.push(text) });
	expect([helper.isHeard, warnings]).toEqual([true, [expect.stringContaining(`${GPU}: no`)]]);
});

test("one that cannot be started", () => {
	expect(() => run(["/nonexistent/sudo"])).toThrow(Fault);
});

test("what is no message is not heard", async () => {
	const helper = run([
		"/bin/sh",
		"-c",
		`echo hello; echo '{"ready":1}'; echo '{"restored":[],"x":1}'; echo '{"restored":[]}'`,
	]);
	expect(await rest(helper)).toEqual([{ restored: [] }]);
});

describe("giving back", () => {
	const warnings: string[] = [];
	const request = { gpu: GPU, warn: (text: string) => void warnings.push(text), stage: () => {}, env: {} };
	const shell = (script: string) =>
		Helper.run({ how: "pkexec", argv: ["/bin/sh", "-c", script], env: environment(), interactive: false });
	const outcome = (script: string) => releaseNow(shell(script), request, 300).catch((error: unknown) => error);

	test("well", async () => {
		const helper = start();
		await readiness(helper, HOLD, NEVER);
		await releaseNow(helper, request);
		expect(machine.state()).toEqual(BACK);
	});

	test("somebody does not let go: said at once, and not waited for without end", async () => {
		const waiting = JSON.stringify({ waiting: [{ pid: 7, name: "qemu\x1b" }] });
		const fault = (await outcome(`printf '%s\\n' '${waiting}'; exec sleep 2`)) as Fault;
		expect(warnings.at(-1)).toBe(`the GPU ${GPU} is still in use by qemu\\u{1b} (process 7); it comes back after that`);
		expect([fault.message, fault.details.why]).toEqual([
			`The GPU ${GPU} is not back yet`,
			expect.stringContaining("(process 7)"),
		]);
	});

	test("the helper was killed, and its successor would ask for a password: the remedy is told", async () => {
		const fault = (await outcome("exit 1")) as Fault;
		expect(fault.details).toMatchObject({
			why: expect.stringContaining("has died"),
			fix: `sudo virtualghost gpu restore ${GPU}`,
		});
	});

	test("every function that is not back is named", async () => {
		const functions = [
			{ bdf: GPU, was: "nouveau", now: null, problem: "no" },
			{ bdf: SOUND, was: null, now: null, problem: null },
		];
		const restored = JSON.stringify({ restored: [{ gpu: GPU, functions, problem: null, void: false }] });
		const fault = (await outcome(`echo '${restored}'`)) as Fault;
		expect(fault.details.why).toBe(`${GPU} (nouveau): no`);
	});
});

describe("Ctrl+C while a password is asked for", () => {
	test("ends at once, with the question", async () => {
		const interrupts = new AbortController();
		const helper = run(["/bin/sh", "-c", "exec sleep 60"]);
		const ready = readiness(helper, HOLD, interrupts.signal);
		const why = new Fault("Interrupted by SIGINT");
		interrupts.abort(why);
		expect(await ready.catch((error: unknown) => error)).toBe(why);
		const started = performance.now();
		await helper[Symbol.asyncDispose]();
		expect(performance.now() - started).toBeLessThan(2000);
	});

	test("a password that is typed afterwards changes nothing", async () => {
		// A sudo that does not end when it is told to.
		const asking = machine.at("/asking");
		const script = `trap '' TERM; : >'${asking}'; sleep 0.5; exec "$@"`;
		const argv = ["/bin/sh", "-c", script, "sudo", process.execPath, PROGRAM, machine.root, ...helperWords(HOLD)];
		const helper = run(argv);
		while (!existsSync(asking)) await Bun.sleep(5);
		await helper[Symbol.asyncDispose]();
		expect(await rest(helper)).toEqual([{ hello: { protocol: 1 } }]);
		expect([machine.state(), machine.written]).toEqual([BACK, []]);
	});
});

describe("kill -9", () => {
	/** Starts the helper, kills it after `milliseconds` of work, and has another restore. */
	async function killedAfter(milliseconds: number, releaseFirst: boolean): Promise<boolean> {
		machine[Symbol.dispose]();
		machine = new FakeMachine();
		const child = Bun.spawn([process.execPath, PROGRAM, machine.root, ...helperWords(HOLD)], {
			stdin: "pipe",
			stdout: "pipe",
		});
		const reader = child.stdout.getReader();
		await reader.read();
		child.stdin.write(`${START}\n`);
		child.stdin.flush();
		if (releaseFirst) {
			await reader.read();
			child.stdin.end();
		}
		await Bun.sleep(milliseconds);
		child.kill("SIGKILL");
		await child.exited;
		const hadJournal = existsSync(journalPath());
		if (!hadJournal) expect(machine.state()).toEqual(BACK);
		else expect(JSON.parse(readFileSync(journalPath(), "utf8")).functions).toHaveLength(2);
		const restorer = start(RESTORE);
		restorer.say(START);
		expect((await rest(restorer)).at(-1)).toMatchObject({ restored: hadJournal ? [{ problem: null }] : [] });
		expect([machine.state(), existsSync(journalPath())]).toEqual([BACK, false]);
		return hadJournal;
	}

	test("while it binds and while it gives back, at many moments", async () => {
		let journals = 0;
		for (const release of [false, true]) {
			for (let ms = 0; ms < 10; ms++) if (await killedAfter(ms, release)) journals++;
		}
		expect(journals).toBeGreaterThan(0);
	}, 60_000);

	test("the next run puts right what the last one left, and then takes the card", async () => {
		const first = start();
		await readiness(first, HOLD, NEVER);
		const { helper } = JSON.parse(readFileSync(journalPath(), "utf8"));
		process.kill(helper.pid, "SIGKILL");
		expect(await rest(first)).toEqual([]);
		expect(machine.state()).toEqual(TAKEN);
		const second = start();
		await readiness(second, HOLD, NEVER);
		expect(machine.state()).toEqual(TAKEN);
		expect(JSON.parse(readFileSync(journalPath(), "utf8")).functions).toContainEqual({
			bdf: GPU,
			driver: "nouveau",
			driverOverride: null,
		});
		second.hangUp();
		await rest(second);
		expect(machine.state()).toEqual(BACK);
	});
});
