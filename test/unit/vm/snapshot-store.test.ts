/** Snapshots on disk: what was changed by accident is noticed, whatever it is, and nothing half-made counts. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
	closeSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	openSync,
	readdirSync,
	readFileSync,
	rmSync,
	truncateSync,
	utimesSync,
	writeFileSync,
	writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { hostnameOf } from "../../../src/vm/snapshot/identity.ts";
import {
	checkSnapshot,
	listSnapshots,
	openDraft,
	snapshotKey,
	snapshotPath,
	snapshotsFolder,
	trimSnapshots,
} from "../../../src/vm/snapshot/store.ts";
import { decodeIdentity, encodeIdentity } from "../../../src/wire/identity.ts";

const MIB = 1024 * 1024;
const RAM_MIB = 16;
let cache: string;

/** Without the files of locks, which stay. */
const namesIn = (folder: string) => readdirSync(folder).filter((name) => !name.endsWith(".lock"));

beforeEach(() => {
	cache = mkdtempSync(join(tmpdir(), "vg-snapshots-"));
});
afterEach(() => rmSync(cache, { recursive: true, force: true }));

function writeAt(path: string, offset: number, bytes: Uint8Array): void {
	const fd = openSync(path, existsSync(path) ? "r+" : "w");
	writeSync(fd, bytes, 0, bytes.length, offset);
	closeSync(fd);
}

/** A sparse memory with data in its 2nd, 3rd and 11th MiB. */
function make(key: string): string {
	using draft = openDraft(cache, key);
	if (draft === null) throw new Error("somebody makes it");
	const ram = join(draft.folder, "ram");
	writeAt(ram, MIB + 100, Buffer.alloc(MIB, 7));
	writeAt(ram, 10 * MIB, Buffer.from("deep"));
	truncateSync(ram, RAM_MIB * MIB);
	writeFileSync(join(draft.folder, "state"), "devices");
	draft.publish();
	return snapshotPath(cache, key);
}

const key = snapshotKey("a machine");

test("one that nobody touched is sound", () => {
	expect(checkSnapshot(make(key), key)).toBeNull();
	expect(namesIn(snapshotsFolder(cache))).toEqual([key]);
});

describe("what is noticed", () => {
	const damages: Readonly<Record<string, (folder: string) => void>> = {
		"memory cut short": (folder) => truncateSync(join(folder, "ram"), 3 * MIB),
		"memory made longer": (folder) => truncateSync(join(folder, "ram"), (RAM_MIB + 1) * MIB),
		"memory empty": (folder) => writeFileSync(join(folder, "ram"), ""),
		"a bit of memory": (folder) => writeAt(join(folder, "ram"), MIB + 5000, Buffer.from([6])),
		"a bit where memory was zero": (folder) => writeAt(join(folder, "ram"), 14 * MIB + 77, Buffer.from([1])),
		"data replaced by zeros": (folder) => writeAt(join(folder, "ram"), 10 * MIB, Buffer.alloc(4)),
		"no memory": (folder) => rmSync(join(folder, "ram")),
		"a folder in place of memory": (folder) => {
			rmSync(join(folder, "ram"));
			mkdirSync(join(folder, "ram"));
		},
		"devices changed": (folder) => writeFileSync(join(folder, "state"), "Devices"),
		"devices empty": (folder) => writeFileSync(join(folder, "state"), ""),
		"no devices": (folder) => rmSync(join(folder, "state")),
		"a manifest cut short": (folder) => truncateSync(join(folder, "manifest.json"), 40),
		"no manifest": (folder) => rmSync(join(folder, "manifest.json")),
		"a manifest of another version": (folder) => {
			const path = join(folder, "manifest.json");
			writeFileSync(path, readFileSync(path, "utf8").replace('"format":1', '"format":2'));
		},
	};
	for (const [name, damage] of Object.entries(damages)) {
		test(name, () => {
			const folder = make(key);
			damage(folder);
			expect(checkSnapshot(folder, key)).toBeString();
		});
	}

	test("a folder under another machine's name", () => {
		expect(checkSnapshot(make(key), snapshotKey("another"))).toBe("it belongs to another machine");
	});

	test("any changed byte", () => {
		const folder = make(key);
		const original = readFileSync(join(folder, "ram"));
		fc.assert(
			fc.property(fc.nat(RAM_MIB * MIB - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
				writeAt(join(folder, "ram"), at, Buffer.from([(original[at] ?? 0) ^ change]));
				const noticed = checkSnapshot(folder, key);
				writeAt(join(folder, "ram"), at, Buffer.from([original[at] ?? 0]));
				return noticed === "its memory has changed";
			}),
			{ numRuns: 30 },
		);
		// A hole that was filled with zeros is no change.
		expect(checkSnapshot(folder, key)).toBeNull();
	});
});

test("two at once: one makes it; what was not published is gone", () => {
	const first = openDraft(cache, key);
	expect(openDraft(cache, key)).toBeNull();
	first?.[Symbol.dispose]();
	expect(namesIn(snapshotsFolder(cache))).toEqual([]);
	using second = openDraft(cache, key);
	expect(second).not.toBeNull();
});

test("a draft that a dead process left goes with the next one, or with the next clearing up", () => {
	const parent = snapshotsFolder(cache);
	mkdirSync(join(parent, `.${key}.0000.draft`), { recursive: true });
	openDraft(cache, key)?.[Symbol.dispose]();
	expect(namesIn(parent)).toEqual([]);
	mkdirSync(join(parent, ".other.0000.draft"));
	trimSnapshots(cache, 1000);
	expect(namesIn(parent)).toEqual([]);
});

test("the ones used least recently go first, and being checked is being used", () => {
	const [old, older, recent] = [snapshotKey("old"), snapshotKey("older"), snapshotKey("new")];
	for (const [each, ago] of [
		[old, 200_000],
		[older, 300_000],
		[recent, 100_000],
	] as const) {
		utimesSync(make(each), new Date(), new Date(Date.now() - ago));
	}
	const order = () => listSnapshots(cache).map((each) => each.key);
	expect(order()).toEqual([recent, old, older]);
	checkSnapshot(snapshotPath(cache, older), older);
	expect(order()).toEqual([older, recent, old]);
	const one = (listSnapshots(cache)[0]?.bytes ?? 0) / MIB;
	trimSnapshots(cache, one * 2.5);
	expect(order()).toEqual([older, recent]);
});

describe("identity", () => {
	test("any machine's name becomes a host name", () => {
		fc.assert(
			fc.property(fc.string(), (name) => {
				expect(hostnameOf(name)).toMatch(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
			}),
		);
		expect(["quiet-otter", "My_Box.2", "---"].map(hostnameOf)).toEqual(["quiet-otter", "my-box-2", "virtualghost"]);
	});

	test("goes over the wire whole, and nothing else is taken for one", () => {
		const identity = {
			hostKey: "-----BEGIN\nKEY-----\n",
			authorizedKey: "ssh-ed25519 AAAA",
			hostname: "quiet-otter",
			machineId: "0123456789abcdef0123456789abcdef",
			unixMs: 1_795_000_000_000,
			entropy: Buffer.alloc(64, 1).toString("base64"),
			gpu: "virgl",
			gpuFallback: true,
			scale: 1,
			sessionLater: false,
		} as const;
		expect(decodeIdentity(encodeIdentity(identity))).toEqual(identity);
		fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (line) => decodeIdentity(line) === null));
	});
});
