/** Instance folders from both sides, with launchers that are real processes where one has to die. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
	chmodSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	rmSync,
	statSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EXIT } from "../../../src/errors.ts";
import { identify, signalQuietly } from "../../../src/host/processes.ts";
import { Instance } from "../../../src/vm/instance.ts";
import { INSTANCE_FILE } from "../../../src/vm/instance-record.ts";
import { findInstance, livingNames, readRecord, runningInstances, sweepDead } from "../../../src/vm/registry.ts";
import { faultOf } from "../fault-of.ts";

let runtime: string;
let scope: DisposableStack;
beforeEach(() => {
	const made = mkdtempSync(join(tmpdir(), "vg-registry-"));
	runtime = made;
	scope = new DisposableStack();
	scope.defer(() => rmSync(made, { recursive: true, force: true }));
});
afterEach(() => scope.dispose());

const create = (name: string | null = null) => scope.use(Instance.create(runtime, name));
const runningNames = () => runningInstances(runtime).map(({ record }) => record.name);
const modeOf = (path: string) => statSync(path).mode & 0o777;

/** `childPid` null where the name was taken. */
async function launcher(name: string) {
	const program = join(import.meta.dir, "instance-program.ts");
	const child = Bun.spawn([process.execPath, program, runtime, name], { stdout: "pipe" });
	scope.defer(() => child.kill("SIGKILL"));
	const { value } = await child.stdout.getReader().read();
	const childPid = value ? Number.parseInt(Buffer.from(value).toString(), 10) : null;
	if (childPid !== null) scope.defer(() => signalQuietly(childPid, "SIGKILL"));
	return { child, childPid };
}

describe("Instance.create", () => {
	test("machines that nobody named get different names that can be typed", () => {
		const names = Array.from({ length: 8 }, () => create().name);
		expect(new Set(names).size).toBe(names.length);
		for (const name of names) expect(name).toMatch(/^[a-z]+-[a-z]+$/);
		expect(runningNames().sort()).toEqual(names.sort());
	});

	test("a name is given once, until its machine has ended", () => {
		{
			using first = Instance.create(runtime, "box");
			const fault = faultOf(() => create("box"));
			expect(fault.message).toBe("A machine named box is running");
			expect(fault.exitCode).toBe(EXIT.usage);
			// The loser leaves nothing behind, and the winner alone.
			expect(readdirSync(runtime)).toEqual(["box"]);
			expect(readRecord(first.folder)).toEqual(first.record);
		}
		expect(readdirSync(runtime)).toEqual([]);
		expect(create("box").name).toBe("box");
	});

	test.each(["", "-a", "A", "a b", "..", "a/b", ".a", "a_b", "ü", "x".repeat(33)])("%j is no name", (name) => {
		expect(faultOf(() => create(name)).exitCode).toBe(EXIT.usage);
		expect(readdirSync(runtime)).toEqual([]);
	});

	test("folders are 0700 and files 0600, whatever the umask", () => {
		const umask = process.umask(0);
		scope.defer(() => void process.umask(umask));
		runtime = join(runtime, "made/by/us");
		const instance = create("box");
		instance.writePrivate("secret", "x");
		instance.update({ stage: "up" });
		expect([modeOf(runtime), modeOf(instance.folder)]).toEqual([0o700, 0o700]);
		expect(readdirSync(instance.folder).sort()).toEqual([INSTANCE_FILE.record, INSTANCE_FILE.lock, "secret"]);
		for (const name of readdirSync(instance.folder)) expect([name, modeOf(instance.path(name))]).toEqual([name, 0o600]);
		expect(() => instance.writePrivate("secret", "again")).toThrow("EEXIST");
	});

	test("a runtime folder that others can enter, or with too long a path, is refused", () => {
		chmodSync(runtime, 0o755);
		expect(faultOf(() => create()).message).toContain("is not private to you");
		chmodSync(runtime, 0o700);
		runtime = join(runtime, "x".repeat(80));
		expect(faultOf(() => create()).message).toContain("too long for a socket");
		expect(readdirSync(runtime)).toEqual([]);
	});
});

describe("the record", () => {
	test("what is updated is read by the others", () => {
		const instance = create("box");
		instance.update({ stage: "up", published: ["127.0.0.1:8080 -> 80"], logs: "/logs" });
		expect(findInstance(runtime, "box").record).toMatchObject({
			stage: "up",
			published: ["127.0.0.1:8080 -> 80"],
			logs: "/logs",
			launcher: identify(process.pid),
		});
	});

	test("oldest first, whatever the names", () => {
		for (const [name, startedAt] of [
			["a", "2026-01-02T00:00:00Z"],
			["b", "2026-01-01T00:00:00Z"],
			["c", "2026-01-03T00:00:00Z"],
		] as const) {
			create(name).update({ startedAt });
		}
		expect(runningNames()).toEqual(["b", "a", "c"]);
	});

	test.each(["", "{", "[]", '{"name":"box"}', "\0\xff"])(
		"%j: not shown, but a lock that is held keeps it",
		(damaged) => {
			const instance = create("box");
			writeFileSync(instance.path(INSTANCE_FILE.record), damaged);
			expect(runningNames()).toEqual([]);
			expect(livingNames(runtime)).toEqual(new Set(["box"]));
			expect(sweepDead(runtime)).toBe(0);
			expect(existsSync(instance.folder)).toBe(true);
			expect(faultOf(() => create("box")).message).toBe("A machine named box is running");
		},
	);
});

describe("findInstance", () => {
	test("none runs", () => {
		const fault = faultOf(() => findInstance(join(runtime, "absent"), undefined));
		expect([fault.message, fault.exitCode]).toEqual(["No machine is running", EXIT.launcher]);
		expect(faultOf(() => findInstance(runtime, "box")).details.why).toBe("none is running at all");
	});

	test("the only one needs no name", () => {
		create("box");
		expect(findInstance(runtime, undefined)).toEqual(findInstance(runtime, "box"));
		const fault = faultOf(() => findInstance(runtime, "bax"));
		expect([fault.message, fault.details.why, fault.exitCode]).toEqual([
			"No machine named bax is running",
			"running: box",
			EXIT.launcher,
		]);
	});

	test("several: it asks which, and names them", () => {
		for (const name of ["one", "two", "three"]) create(name);
		const fault = faultOf(() => findInstance(runtime, undefined));
		expect(fault.message).toBe("Which machine? More than one is running");
		expect(fault.details.why?.replace("running: ", "").split(", ").sort()).toEqual(["one", "three", "two"]);
		expect([fault.details.fix, fault.exitCode]).toEqual(["say its name", EXIT.usage]);
		expect(findInstance(runtime, "two").record.name).toBe("two");
	});

	test("a name leads nowhere else", () => {
		for (const name of ["..", "/", "../x"])
			expect(faultOf(() => findInstance(runtime, name)).exitCode).toBe(EXIT.usage);
	});
});

describe("a launcher that is killed", () => {
	test("is not listed, and what it left is ended and removed", async () => {
		const { child, childPid } = await launcher("box");
		create("beside");
		expect(runningNames().sort()).toEqual(["beside", "box"]);
		child.kill("SIGKILL");
		await child.exited;
		expect(runningNames()).toEqual(["beside"]);
		expect(existsSync(join(runtime, "box"))).toBe(true);
		expect(faultOf(() => findInstance(runtime, "box")).message).toBe("No machine named box is running");
		expect(identify(childPid ?? 0)).not.toBeNull();
		expect(sweepDead(runtime)).toBe(1);
		expect(readdirSync(runtime)).toEqual(["beside"]);
		for (const end = Date.now() + 5000; identify(childPid ?? 0) && Date.now() < end; ) await Bun.sleep(5);
		expect(identify(childPid ?? 0)).toBeNull();
	});

	test("gives its name to the next start", async () => {
		const { child } = await launcher("box");
		expect(faultOf(() => create("box")).message).toBe("A machine named box is running");
		child.kill("SIGKILL");
		await child.exited;
		expect(create("box").record.children).toEqual([]);
	});
});

test("of many that start at once under one name, one does", async () => {
	const started = await Promise.all(Array.from({ length: 4 }, () => launcher("box")));
	expect(started.filter(({ childPid }) => childPid !== null).length).toBe(1);
	const losers = started.filter(({ childPid }) => childPid === null).map(({ child }) => child.exited);
	expect(await Promise.all(losers)).toEqual([EXIT.usage, EXIT.usage, EXIT.usage]);
	expect(readdirSync(runtime)).toEqual(["box"]);
});

test("a folder in the making is left alone for a minute; after that it is a dead launcher's", () => {
	const making = join(runtime, ".0a1b2c3d");
	mkdirSync(making);
	expect([sweepDead(runtime), existsSync(making), runningNames()]).toEqual([0, true, []]);
	const longAgo = Date.now() / 1000 - 61;
	utimesSync(making, longAgo, longAgo);
	expect([sweepDead(runtime), existsSync(making)]).toEqual([1, false]);
});

test("a child's pid that now belongs to somebody else is spared", async () => {
	const { child } = await launcher("box");
	const bystander = Bun.spawn(["sleep", "60"], { detached: true });
	scope.defer(() => bystander.kill("SIGKILL"));
	child.kill("SIGKILL");
	await child.exited;
	const record = readRecord(join(runtime, "box"));
	const reused = { ...record, children: [{ pid: bystander.pid, startTime: "1" }] };
	writeFileSync(join(runtime, "box", INSTANCE_FILE.record), JSON.stringify(reused));
	for (const left of record?.children ?? []) signalQuietly(left.pid, "SIGKILL");
	expect(sweepDead(runtime)).toBe(1);
	await Bun.sleep(20);
	expect(identify(bystander.pid)).not.toBeNull();
});
