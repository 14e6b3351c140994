/** The root half against a made-up machine: the order of its steps, what it refuses, and every way in which it can be cut off. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { HelperRequest } from "../../../src/vfio/grammar.ts";
import { serveRequest } from "../../../src/vfio/guardian.ts";
import type { Message } from "../../../src/vfio/messages.ts";
import type { World } from "../../../src/vfio/world.ts";
import { BOOT, FakeMachine, GPU, NODE, ORIGINAL, SOUND, USER } from "./fake-machine.ts";

const BACK = { [GPU]: ["nouveau", null], [SOUND]: ["snd_hda_intel", null] };
const TAKEN = { [GPU]: ["vfio-pci", "vfio-pci"], [SOUND]: ["vfio-pci", "vfio-pci"] };
const HOLD = { verb: "hold", gpu: GPU, force: false } as const;
const BIND = { verb: "bind", gpu: GPU, force: false } as const;
const RESTORE = { verb: "restore", gpu: null } as const;

let machine: FakeMachine;
beforeEach(() => {
	machine = new FakeMachine();
});
afterEach(() => machine[Symbol.dispose]());

const journalPath = () => machine.at(`/var/lib/virtualghost/vfio/${GPU}.json`);
const journal = () => JSON.parse(readFileSync(journalPath(), "utf8"));
const editJournal = (change: object) => writeFileSync(journalPath(), JSON.stringify({ ...journal(), ...change }));

/** Runs a request; `words` are what the launcher says, each when it is waited for, before it is gone. */
async function serve(
	request: HelperRequest,
	{ world = machine.world(), words = ["start"], onReady = () => {} }: Partial<Serving> = {},
) {
	const messages: Message[] = [];
	const left = [...words];
	const ok = await serveRequest(request, USER, world, {
		say: (message) => {
			messages.push(message);
			if ("ready" in message) onReady();
		},
		next: () => Promise.resolve(left.shift() ?? null),
	});
	return { ok, messages, last: messages.at(-1) };
}

interface Serving {
	readonly world: World;
	readonly words: readonly string[];
	readonly onReady: () => void;
}

const failedWhy = (message: Message | undefined) => (message && "failed" in message ? message.failed.why : undefined);

describe("hold", () => {
	test("binds, waits, gives back; the journal is there from before the first write until after the last", async () => {
		const world = machine.world();
		const journaled: boolean[] = [];
		const watched = {
			...world,
			write: (...args: Parameters<World["write"]>) => {
				journaled.push(existsSync(journalPath()));
				return world.write(...args);
			},
		};
		let during: unknown;
		const { ok, messages } = await serve(HOLD, {
			world: watched,
			onReady: () => {
				during = [machine.state(), machine.owners.get(NODE), journal().functions, journal().bootId, journal().kept];
			},
		});
		expect(ok).toBe(true);
		expect(during).toEqual([
			TAKEN,
			{ uid: USER, mode: 0o600 },
			[
				{ bdf: SOUND, driver: "snd_hda_intel", driverOverride: null },
				{ bdf: GPU, driver: "nouveau", driverOverride: null },
			],
			BOOT,
			false,
		]);
		expect(messages.map((message) => Object.keys(message)[0])).toEqual(["hello", "ready", "restored"]);
		expect(machine.state()).toEqual(BACK);
		expect(existsSync(journalPath())).toBe(false);
		expect(journaled.every(Boolean)).toBe(true);
		expect(machine.written).toMatchInlineSnapshot(`
		  [
		    "0000:01:00.1/driver_override vfio-pci",
		    "0000:01:00.1/driver/unbind 0000:01:00.1",
		    "drivers_probe 0000:01:00.1",
		    "0000:01:00.0/driver_override vfio-pci",
		    "0000:01:00.0/driver/unbind 0000:01:00.0",
		    "drivers_probe 0000:01:00.0",
		    "0000:01:00.0/driver/unbind 0000:01:00.0",
		    "0000:01:00.0/driver_override nouveau",
		    "drivers_probe 0000:01:00.0",
		    "0000:01:00.0/driver_override -",
		    "0000:01:00.1/driver/unbind 0000:01:00.1",
		    "0000:01:00.1/driver_override snd_hda_intel",
		    "drivers_probe 0000:01:00.1",
		    "0000:01:00.1/driver_override -",
		  ]
		`);
	});

	test("a launcher that is gone before it said start gets nothing", async () => {
		const { ok } = await serve(HOLD, { words: [] });
		expect([ok, machine.written, existsSync(journalPath())]).toEqual([false, [], false]);
	});

	test("an override that was there is there again", async () => {
		writeFileSync(machine.at(`/sys/bus/pci/devices/${GPU}/driver_override`), "nouveau\n");
		await serve(HOLD);
		expect(machine.state()).toEqual({ ...BACK, [GPU]: ["nouveau", "nouveau"] });
	});

	test("nothing is written while somebody has the node open", async () => {
		const { promise: waited, resolve } = Promise.withResolvers<void>();
		let end = () => {};
		const left = ["start"];
		const said: Message[] = [];
		const served = serveRequest(HOLD, USER, machine.world(), {
			say: (message) => {
				said.push(message);
				if ("ready" in message) end = machine.hold();
				if ("waiting" in message) resolve();
			},
			next: () => Promise.resolve(left.shift() ?? null),
		});
		await waited;
		const writes = machine.written.length;
		await Bun.sleep(50);
		expect([machine.written.length, machine.state()]).toEqual([writes, TAKEN]);
		// Nobody else gets in meanwhile.
		expect(machine.owners.get(NODE)).toEqual({ uid: 0, mode: 0o600 });
		end();
		expect(await served).toBe(true);
		expect(said).toContainEqual({ waiting: [{ pid: 4711, name: "qemu-system-x86" }] });
		expect(machine.state()).toEqual(BACK);
	});

	test("root's own look finds what the launcher could not see, and nothing is changed", async () => {
		writeFileSync(machine.at(`/sys/bus/pci/devices/${GPU}/boot_vga`), "1\n");
		const { ok, last } = await serve(HOLD);
		expect([ok, machine.written, existsSync(journalPath())]).toEqual([false, [], false]);
		expect(failedWhy(last)).toContain("started on");
		expect((await serve({ ...HOLD, force: true })).ok).toBe(true);
	});

	test("a function that vfio-pci does not take: all is put back at once, and it is said", async () => {
		machine.unwilling.add("vfio-pci");
		const { ok, last } = await serve(HOLD);
		expect(ok).toBe(false);
		expect(last).toMatchObject({ failed: { what: `vfio-pci did not take ${SOUND}` } });
		expect(failedWhy(last)).toContain("everything was put back");
		expect([machine.state(), existsSync(journalPath())]).toEqual([BACK, false]);
	});

	test("a journal that does not go away does not hide the first failure", async () => {
		machine.unwilling.add("vfio-pci");
		const world = machine.world();
		world.journals.remove = () => {
			throw new Error("read-only");
		};
		const { ok, last } = await serve(HOLD, { world });
		expect(last).toMatchObject({ failed: { what: `vfio-pci did not take ${SOUND}` } });
		expect(failedWhy(last)).toContain("the journal stays: read-only");
		expect([ok, machine.state(), existsSync(journalPath())]).toEqual([false, BACK, true]);
	});

	test("an unbind that hangs in the middle: reported, the other function is back, the journal stays", async () => {
		machine.hanging.add(`${GPU}/driver/unbind`);
		const { ok, last } = await serve(HOLD);
		expect(ok).toBe(false);
		expect(failedWhy(last)).toContain("has not come back");
		expect(failedWhy(last)).toContain("not everything could be put back");
		expect(machine.state()[SOUND]).toEqual(BACK[SOUND]);
		expect(existsSync(journalPath())).toBe(true);
	});

	test("a driver that does not take its device back: the others are back, and the journal stays", async () => {
		const { ok, last } = await serve(HOLD, { onReady: () => machine.unwilling.add("nouveau") });
		expect(ok).toBe(false);
		expect(machine.state()).toEqual({ ...BACK, [GPU]: [null, null] });
		expect(last).toMatchObject({
			restored: [{ functions: [{ problem: null }, { bdf: GPU, problem: expect.any(String) }] }],
		});
		machine.unwilling.clear();
		expect((await serve(RESTORE)).ok).toBe(true);
		expect([machine.state(), existsSync(journalPath())]).toEqual([BACK, false]);
	});

	test("two at once: the second is told so", async () => {
		let second: Awaited<ReturnType<typeof serve>> | undefined;
		const left = ["start"];
		await serveRequest(HOLD, USER, machine.world(), {
			say: () => {},
			next: async () => {
				if (left.length === 0) second = await serve(HOLD);
				return left.shift() ?? null;
			},
		});
		expect(second?.ok).toBe(false);
		expect(second?.last).toMatchObject({ failed: { what: expect.stringContaining("is taken") } });
		expect(machine.state()).toEqual(BACK);
	});

	test("a write that still hangs keeps the lock when its helper is gone; restoring waits for it", async () => {
		machine.hanging.add(`${GPU}/driver/unbind`);
		await serve(HOLD);
		machine.hanging.clear();
		const writes = machine.written.length;
		editJournal({ helper: { pid: 2 ** 22 - 1, startTime: "1" } });
		const early = await serve(RESTORE, { world: { ...machine.world(), patienceMs: 50 } });
		expect(early.last).toMatchObject({ restored: [{ problem: expect.stringContaining("hangs in the kernel") }] });
		const late = serve(RESTORE);
		await Bun.sleep(50);
		expect(machine.written.length).toBe(writes);
		// The reader whom the write has waited for.
		readFileSync(machine.at("/fifo"));
		expect((await late).ok).toBe(true);
		expect(machine.state()).toEqual(BACK);
	});

	test("a user of the group who does not end: nothing is written, and he is named", async () => {
		await serve(BIND);
		const writes = machine.written.length;
		machine.hold();
		const { ok, last } = await serve(RESTORE, { world: { ...machine.world(), patienceMs: 50 } });
		expect([ok, machine.written.length]).toEqual([false, writes]);
		expect(last).toMatchObject({ restored: [{ problem: expect.stringContaining("qemu-system-x86 (process 4711)") }] });
	});
});

describe("bind and restore", () => {
	test("bind leaves it bound and says what was done; restore gives it back", async () => {
		const { ok, last } = await serve(BIND);
		expect(ok).toBe(true);
		expect(last).toEqual({
			bound: {
				gpu: GPU,
				node: NODE,
				did: [`${SOUND}: snd_hda_intel -> vfio-pci`, `${GPU}: nouveau -> vfio-pci`, `${NODE} belongs to user ${USER}`],
			},
		});
		expect([machine.state(), journal().kept]).toEqual([TAKEN, true]);
		expect((await serve({ verb: "restore", gpu: SOUND })).ok).toBe(true);
		expect([machine.state(), existsSync(journalPath())]).toEqual([BACK, false]);
	});

	test("bind twice: the journal keeps the first drivers", async () => {
		await serve(BIND);
		const before = journal();
		expect((await serve(BIND)).ok).toBe(true);
		expect(journal()).toEqual(before);
	});

	test("restore with nothing to restore", async () => {
		const messages = [{ hello: { protocol: 1 } }, { restored: [] }] as const;
		expect(await serve(RESTORE)).toMatchObject({ ok: true, messages });
	});

	test("restore for a launcher that is gone before it said start does nothing", async () => {
		await serve(BIND);
		const { ok, last } = await serve(RESTORE, { words: [] });
		expect([ok, last, machine.state()]).toEqual([false, { hello: { protocol: 1 } }, TAKEN]);
	});

	test("restore while it is in use: the binding and its node stay as they were", async () => {
		await serve(BIND);
		const before = journal();
		machine.hold();
		const { ok } = await serve(RESTORE, { world: { ...machine.world(), patienceMs: 50 } });
		expect([ok, journal(), machine.state()]).toEqual([false, before, TAKEN]);
		expect(machine.owners.get(NODE)).toEqual({ uid: USER, mode: 0o600 });
	});

	test("a node in use does not change hands; for its owner nothing changes anyway", async () => {
		await serve(BIND);
		const owner = { uid: USER + 1, mode: 0o600 };
		machine.owners.set(NODE, owner);
		const end = machine.hold();
		expect((await serve(BIND)).last).toMatchObject({ failed: { what: `${NODE} is in use` } });
		expect(machine.owners.get(NODE)).toEqual(owner);
		end();
		expect((await serve(BIND)).ok).toBe(true);
		machine.hold();
		expect((await serve(BIND)).ok).toBe(true);
	});

	test("another card of the group that was bound to stay is left so, and named", async () => {
		await serve(BIND);
		const other = machine.at(`/var/lib/virtualghost/vfio/${SOUND}.json`);
		writeFileSync(other, JSON.stringify({ ...journal(), gpu: SOUND }), { mode: 0o644 });
		rmSync(journalPath());
		const { ok, last } = await serve(HOLD);
		expect([ok, machine.state(), existsSync(other)]).toEqual([false, TAKEN, true]);
		expect(last).toMatchObject({ failed: { fix: expect.stringContaining(`gpu restore ${SOUND}`) } });
	});

	test("restore twice, and where all is back already", async () => {
		await serve(BIND);
		const kept = readFileSync(journalPath());
		await serve(RESTORE);
		const writes = machine.written.length;
		writeFileSync(journalPath(), kept);
		expect((await serve(RESTORE)).ok).toBe(true);
		expect([machine.written.length, existsSync(journalPath())]).toEqual([writes, false]);
	});

	test("a journal of another start of the kernel is void: nothing is written", async () => {
		await serve(BIND);
		editJournal({ bootId: BOOT.replaceAll("1", "a") });
		const writes = machine.written.length;
		expect((await serve(RESTORE)).last).toMatchObject({ restored: [{ gpu: GPU, void: true }] });
		expect([machine.written.length, existsSync(journalPath())]).toEqual([writes, false]);
	});

	test("a device that was pulled out is no failure", async () => {
		await serve(BIND);
		rmSync(machine.at(`/sys/bus/pci/devices/${SOUND}`));
		expect((await serve(RESTORE)).ok).toBe(true);
		expect([machine.driver(GPU), existsSync(journalPath())]).toEqual(["nouveau", false]);
	});

	test("one that somebody gave to a third driver is left there, and named", async () => {
		await serve(BIND);
		machine.bindTo(SOUND, "other");
		const { ok, last } = await serve(RESTORE);
		expect(ok).toBe(false);
		expect(JSON.stringify(last)).toContain("somebody gave it to other");
		expect(machine.state()).toEqual({ ...BACK, [SOUND]: ["other", null] });
	});

	test("a journal that is garbage stops a run, and restore names it and goes on", async () => {
		await serve(BIND);
		writeFileSync(journalPath(), "{");
		expect((await serve(RESTORE)).last).toMatchObject({
			restored: [{ problem: expect.stringContaining("cannot be used") }],
		});
		expect((await serve(HOLD)).last).toMatchObject({ failed: { what: expect.stringContaining("cannot be used") } });
		expect(machine.state()).toEqual(TAKEN);
	});
});

describe("killed at every point", () => {
	class Killed extends Error {}

	/** Dies at its `at`th effect, before or after that, and has no effect from then on. */
	function mortal(at: number, after: boolean) {
		const world = machine.world(true);
		let count = 0;
		let dead = false;
		const step = <T>(effect: () => T): T => {
			if (dead || count >= at) {
				dead = true;
				throw new Killed();
			}
			count++;
			dead = count === at && after;
			const done = effect();
			if (dead) {
				if (done instanceof Promise) return done.then(() => Promise.reject(new Killed())) as T;
				throw new Killed();
			}
			return done;
		};
		const { journals } = world;
		const dying: World = {
			...world,
			write: (...args) => step(() => world.write(...args)),
			giveNode: (...args) => step(() => world.giveNode(...args)),
			journals: Object.assign(Object.create(journals) as typeof journals, {
				save: (each: Parameters<typeof journals.save>[0]) => step(() => journals.save(each)),
				remove: (gpu: string) => step(() => journals.remove(gpu)),
				load: (gpu: string) => journals.load(gpu),
				list: () => journals.list(),
				lock: (group: number) => journals.lock(group),
				pathOf: (gpu: string) => journals.pathOf(gpu),
			}),
		};
		return { world: dying, isDead: () => dead };
	}

	/** Runs with a death at each point until one run lives; returns the number of points. */
	async function everywhere(prepare: () => Promise<unknown>, request: HelperRequest): Promise<number> {
		let points = 0;
		for (let at = 0; ; at++) {
			let lived = false;
			for (const after of [false, true]) {
				if (at === 0 && after) continue;
				machine[Symbol.dispose]();
				machine = new FakeMachine();
				await prepare();
				const { world, isDead } = mortal(at, after);
				try {
					await serve(request, { world });
				} catch (error) {
					if (!(error instanceof Killed)) throw error;
				}
				lived = !isDead();
				machine.unwilling.clear();
				// The dead one's mark must not look alive: this process is.
				if (existsSync(journalPath())) editJournal({ helper: { pid: 2 ** 22 - 1, startTime: "1" } });
				const { ok, last } = await serve(RESTORE, { world: machine.world(true) });
				expect([at, after, ok, last, machine.state(), existsSync(journalPath())]).toMatchObject([
					at,
					after,
					true,
					{},
					BACK,
					false,
				]);
				expect((await serve(HOLD, { world: machine.world(true) })).ok).toBe(true);
				points++;
			}
			if (lived) return points;
		}
	}

	test("while a card is held: binding, giving back", async () => {
		expect(await everywhere(() => Promise.resolve(), HOLD)).toBeGreaterThan(30);
	}, 60_000);

	test("while it is bound for good", async () => {
		expect(await everywhere(() => Promise.resolve(), BIND)).toBeGreaterThan(15);
	}, 60_000);

	test("while a failure is undone", async () => {
		expect(
			await everywhere(() => {
				machine.unwilling.add("vfio-pci");
				return Promise.resolve();
			}, HOLD),
		).toBeGreaterThan(10);
	}, 60_000);

	test("while it is restored", async () => {
		expect(await everywhere(() => serve(BIND, { world: machine.world(true) }), RESTORE)).toBeGreaterThan(15);
	}, 60_000);
});

test("the made-up machine is one that the rules accept", () => {
	expect(machine.state()).toEqual(BACK);
	expect(ORIGINAL[GPU]).toBe("nouveau");
});
