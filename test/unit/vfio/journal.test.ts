/** The journal on the disk: whole or not at all, and nothing in it is believed that root did not write. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
	chmodSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { identify } from "../../../src/host/processes.ts";
import { type Journal, Journals } from "../../../src/vfio/journal.ts";
import { pendingJournals } from "../../../src/vfio/pending.ts";
import { faultOf } from "../fault-of.ts";

const GPU = "0000:01:00.0";
const BOOT = "11111111-2222-3333-4444-555555555555";
const OWN = process.getuid?.() ?? 0;

let root: string;
let folder: string;
let journals: Journals;
beforeEach(() => {
	root = mkdtempSync(join(tmpdir(), "vg-journal-"));
	folder = join(root, "virtualghost/vfio");
	journals = new Journals(folder, OWN);
});
afterEach(() => rmSync(root, { recursive: true }));

const journal = (change: Partial<Journal> = {}): Journal => ({
	version: 1,
	bootId: BOOT,
	gpu: GPU,
	group: 9,
	node: "/dev/vfio/9",
	nodeBefore: null,
	kept: false,
	helper: { pid: 4711, startTime: "42" },
	functions: [{ bdf: GPU, driver: "nouveau", driverOverride: null }],
	...change,
});

function put(content: string | object, gpu = GPU): void {
	mkdirSync(folder, { recursive: true });
	writeFileSync(journals.pathOf(gpu), typeof content === "string" ? content : JSON.stringify(content));
}

describe("saving", () => {
	test("what is saved is loaded, and nothing else lies there", () => {
		const saved = journal({ nodeBefore: { uid: 0, mode: 0o660 } });
		journals.save(saved);
		expect(journals.list()).toEqual([{ gpu: GPU, journal: saved }]);
		expect(readdirSync(folder)).toEqual([`${GPU}.json`]);
		journals.remove(GPU);
		expect(journals.list()).toEqual([]);
	});

	test("everybody may read it, whatever the umask is, and nobody else write", () => {
		const before = process.umask(0o077);
		journals.save(journal());
		process.umask(before);
		const modes = [join(root, "virtualghost"), folder, journals.pathOf(GPU)].map((path) => statSync(path).mode & 0o777);
		expect(modes).toEqual([0o755, 0o755, 0o644]);
	});

	const strace = Bun.which("strace");
	test.skipIf(strace === null)(
		"it is on the disk before it has its name, and its name before save returns",
		async () => {
			const program = join(import.meta.dir, "journal-program.ts");
			const log = join(root, "trace");
			const argv = [strace ?? "", "-f", "-e", "trace=fsync,/^rename", "-o", log, process.execPath, program, folder];
			expect(await Bun.spawn(argv, { stdout: "ignore", stderr: "ignore" }).exited).toBe(0);
			const calls = [...readFileSync(log, "utf8").matchAll(/ (fsync|rename)\w*\(/g)].map(([, call]) => call);
			expect(calls.slice(-3)).toEqual(["fsync", "rename", "fsync"]);
		},
	);

	test("over one that a killed process has half written", () => {
		journals.save(journal());
		writeFileSync(`${journals.pathOf(GPU)}.new`, '{"version":1,"boo');
		expect(journals.list()).toEqual([{ gpu: GPU, journal: journal() }]);
		journals.save(journal({ kept: true }));
		expect(journals.list()).toEqual([{ gpu: GPU, journal: journal({ kept: true }) }]);
	});

	test("a folder that others may write to is refused", () => {
		mkdirSync(folder, { recursive: true });
		chmodSync(folder, 0o777);
		expect(faultOf(() => journals.save(journal())).message).toContain("not root's alone");
		expect(faultOf(() => journals.lock(9)).message).toContain("not root's alone");
		rmSync(folder, { recursive: true });
		symlinkSync(tmpdir(), folder);
		expect(faultOf(() => journals.save(journal())).message).toContain("not root's alone");
	});

	test("a disk that takes nothing more", () => {
		rmSync(root, { recursive: true });
		writeFileSync(root, "");
		expect(() => journals.save(journal())).toThrow(/cannot be written|ENOTDIR/);
		rmSync(root);
		mkdirSync(root);
	});
});

describe("loading", () => {
	const whyOf = () => {
		const found = journals.load(GPU);
		return found !== null && found.journal === null ? found.why : found;
	};

	test("nothing there", () => expect(journals.load(GPU)).toBeNull());

	test.each<[string, string | object]>([
		["empty", ""],
		["cut off", '{"version":1,"boo'],
		["no JSON", "\0\0\0"],
		["another version", { ...journal(), version: 2 }],
		["one word too much", { ...journal(), command: "x" }],
		["a driver that is a path", journal({ functions: [{ bdf: GPU, driver: "../../x", driverOverride: null }] })],
		["a driver that is a folder", journal({ functions: [{ bdf: GPU, driver: "..", driverOverride: null }] })],
		["an override of two lines", journal({ functions: [{ bdf: GPU, driver: null, driverOverride: "a\nb" }] })],
		[
			"a function that is a path",
			journal({ functions: [{ bdf: "../0000:01:00.0", driver: null, driverOverride: null }] }),
		],
		["a node elsewhere", journal({ node: "/dev/vfio/../sda" })],
		["no functions", journal({ functions: [] })],
		["a pid that is a group", journal({ helper: { pid: -1, startTime: null } })],
		["another card's", journal({ gpu: "0000:02:00.0" })],
	])("%s", (_name, content) => {
		put(content);
		expect(whyOf()).toBeString();
	});

	test("any bytes", () => {
		mkdirSync(folder, { recursive: true });
		fc.assert(
			fc.property(
				fc.oneof(
					fc.uint8Array(),
					fc.json().map((text) => Buffer.from(text)),
				),
				(bytes) => {
					writeFileSync(journals.pathOf(GPU), bytes);
					expect(whyOf()).toBeString();
				},
			),
		);
	});

	test("a link, a folder, a FIFO, a file of somebody else's, one that all may write, one without end", () => {
		mkdirSync(folder, { recursive: true });
		const path = journals.pathOf(GPU);
		const other = join(root, "other");
		writeFileSync(other, JSON.stringify(journal()));
		const makers = [
			() => symlinkSync(other, path),
			() => mkdirSync(path),
			() => Bun.spawnSync(["mkfifo", path]),
			() => writeFileSync(path, `${JSON.stringify(journal())}${" ".repeat(100_000)}`),
			() => {
				put(journal());
				chmodSync(path, 0o666);
			},
		];
		for (const make of makers) {
			make();
			expect(whyOf()).toBeString();
			rmSync(path, { recursive: true });
		}
		put(journal());
		const found = new Journals(folder, OWN + 1).load(GPU);
		expect(found?.journal).toBeNull();
	});

	test("other files in the folder are none", () => {
		for (const name of ["x.json", "0000:01:00.0.json.new", "0000:01:00.8.json", "group-9.lock"]) {
			mkdirSync(folder, { recursive: true });
			writeFileSync(join(folder, name), "{}");
		}
		expect(journals.list()).toEqual([]);
	});
});

describe("the lock of a group", () => {
	test("one at a time, and again when it is free", () => {
		const first = journals.lock(9);
		expect(first).not.toBeNull();
		expect(journals.lock(9)).toBeNull();
		expect(journals.lock(10)).not.toBeNull();
		first?.[Symbol.dispose]();
		using again = journals.lock(9);
		expect(again).not.toBeNull();
		expect(statSync(join(folder, "group-9.lock")).mode & 0o777).toBe(0o600);
	});
});

describe("what lies there at a start", () => {
	const files = (boot: string) => ({
		read: (path: string) => (path === "/proc/sys/kernel/random/boot_id" ? `${boot}\n` : null),
		list: () => null,
		link: () => null,
		real: () => null,
		mayOpen: () => false,
	});
	const stateOf = (content: Journal | string, boot = BOOT) => {
		put(content);
		return pendingJournals(journals, files(boot))[0]?.state;
	};
	const me = identify(process.pid) ?? { pid: 0, startTime: "" };

	test("held, kept, left over, void, unreadable", () => {
		expect(stateOf(journal({ helper: me }))).toBe("held");
		expect(stateOf(journal({ kept: true }))).toBe("kept");
		expect(stateOf(journal({ helper: { pid: me.pid, startTime: "1" } }))).toBe("leftover");
		expect(stateOf(journal({ helper: me }), "22222222")).toBe("void");
		expect(stateOf(journal({ kept: true }), "22222222")).toBe("void");
		expect(stateOf("{")).toBe("unreadable");
	});

	test("without the folder there is nothing", () => {
		expect(existsSync(folder)).toBe(false);
		expect(pendingJournals(journals, files(BOOT))).toEqual([]);
	});
});
