/**
 * A hostile guest tries to get out by what it was given: firmware tables, images, shared folders and disks. As root, and past sshfs,
 * whose place it takes (openings.pl). The table that comes out is the second one of docs/security-probes.md.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sha256Of } from "../../../src/vm/assets.ts";
import { picture, takeTurns } from "../../unit/files/trees.ts";
import { BOOT_TIMEOUT_MS, Sandbox, tool } from "../harness.ts";
import { checkTable } from "./table.ts";

const PROBE = readFileSync(join(import.meta.dir, "openings.pl"), "utf8");
const FLAGS = ["--accel", "tcg", "--display", "none", "--gpu", "none", "--memory", "1G"] as const;
const CANARY = "canary-of-the-hosts-environment";

/** Rows: what openings.pl says, or what is seen from outside; every way to it has one name. */
const ROWS = {
	fw_cfg: "the run's private key, a path or a variable of the host's in QEMU's fw_cfg",
	smbios: "the same in the SMBIOS and ACPI tables and the kernel's command line",
	image: "writing to a read-only image's disk",
	executable: "a change of the launcher's file, in which the images lie",
	kept: "something for the next machine to find",
	read: "reading a file in the folder",
	write: "changing a file in the folder",
	beside: "a file beside the folder, by `..` and by its path on the host",
	link: "the same, by a link of the host's that leads out",
	"new link": "the same, by a link made in the folder",
	race: "the same, by a link that takes turns with a folder (the host's, and the guest's own)",
	"hard link": "a hard link",
	device: "a device, a pipe, a setuid bit in the folder",
} as const;
type Row = keyof typeof ROWS;

const COLUMNS = {
	default: [],
	"--mount": ["--mount", "SHARED:/mnt/shared"],
	"--mount …:rw": ["--mount", "SHARED:/mnt/shared:rw"],
	"--work": ["--work", "SHARED", "--on-exit", "discard"],
	"--disk": ["--disk", "kept"],
} as const;
type Column = keyof typeof COLUMNS;

const EXPECTED: Record<Column, readonly Row[]> = {
	default: [],
	"--mount": ["read"],
	"--mount …:rw": ["read", "write"],
	"--work": ["read"],
	"--disk": ["kept"],
};
const results = new Map<Column, ReadonlySet<Row>>();

let sandbox: Sandbox;
let binary: string;
const vg = (argv: readonly string[], input?: string) =>
	tool([binary, ...argv], {
		env: { ...sandbox.env, VG_SECRET: CANARY },
		...(input === undefined ? {} : { input }),
	});

beforeAll(async () => {
	sandbox = new Sandbox();
	binary = sandbox.copyBinary();
	expect((await vg(["prewarm", ...FLAGS])).code).toBe(0);
}, BOOT_TIMEOUT_MS);
afterAll(() => sandbox[Symbol.dispose](), BOOT_TIMEOUT_MS);

/** A folder to share, and one beside it that nobody shares; a link leads from the one to the other. */
function makeFolders(name: string): { shared: string; outside: string } {
	const [shared, outside] = [join(sandbox.root, name, "shared"), join(sandbox.root, name, "outside")];
	for (const path of [shared, outside, join(shared, "sub")]) mkdirSync(path, { recursive: true });
	writeFileSync(join(outside, "secret"), "secret of the host\n");
	writeFileSync(join(shared, "file"), "mine\n");
	writeFileSync(join(shared, "sub/secret"), "inside\n");
	symlinkSync(join(outside, "secret"), join(shared, "absolute"));
	symlinkSync("../outside", join(shared, "relative"));
	return { shared, outside };
}

/** What of the host's must not be in what the guest read. */
function secrets(): string[] {
	const key = readFileSync(join(sandbox.runtime, "virtualghost/probed/id_ed25519"), "utf8");
	const lines = key.split("\n").filter((line) => line.length > 40);
	// The last lines hold the private half; the first one the public.
	return [...lines.slice(1), sandbox.root, CANARY];
}

/** One machine: what it reached, by its own word and as seen from here. */
async function attempt(column: Column, extra: readonly string[]): Promise<Set<Row>> {
	const { shared, outside } = makeFolders(`${column.replaceAll(/\W/g, "")}${extra.length}`);
	const flags = COLUMNS[column].map((each: string) => each.replace("SHARED", shared));
	const hasFolder = flags.some((each) => each.includes(shared));
	const mounted = column === "--work" ? "/run/virtualghost/work/lower" : "/mnt/shared";
	const before = { executable: await sha256Of(binary), outside: picture(outside) };
	const started = await vg(["run", "--detach", ...FLAGS, "--name", "probed", ...flags, ...extra]);
	expect([started.code, started.stderr]).toEqual([0, expect.any(String)]);
	const words = secrets();
	const turns = hasFolder ? takeTurns(shared) : null;
	const args = hasFolder ? [mounted, outside] : [];
	const { code, stdout, stderr } = await vg(["exec", "probed", "--root", "--", "perl", "-", ...args], PROBE);
	await turns?.[Symbol.asyncDispose]();
	const stopped = await vg(["stop", "probed"]);
	expect([code, stderr, stopped.code]).toEqual([0, "", 0]);
	const reached = new Set<Row>();
	for (const line of stdout.trim().split("\n")) {
		const [name = "", rest = ""] = line.split(/ (?=\S+$)/);
		if (name === "fw_cfg" || name === "smbios") {
			const bytes = Buffer.from(rest, "hex");
			// It was read at all.
			expect(bytes.includes(name === "fw_cfg" ? "etc/smbios/smbios-tables" : "virtualghost.")).toBe(true);
			if (words.some((word) => bytes.includes(word))) reached.add(name);
		} else if (name === "race-rounds") expect(Number(rest)).toBeGreaterThan(0);
		else if (name in ROWS && rest === "reached") reached.add(name as Row);
		else throw new Error(`openings.pl said ${line}`);
	}
	if ((await sha256Of(binary)) !== before.executable) reached.add("executable");
	const isOdd = (path: string) => {
		const stat = statSync(join(shared, path), { throwIfNoEntry: false });
		return stat !== undefined && (!(stat.isFile() || stat.isDirectory()) || (stat.mode & 0o6000) !== 0);
	};
	if (readdirSync(shared).some(isOdd)) reached.add("device");
	if (readFileSync(join(shared, "file"), "utf8") !== "mine\n") reached.add("write");
	expect(picture(outside)).toEqual(before.outside);
	const next = await vg(["run", ...FLAGS, ...(column === "--disk" ? flags : []), "--", "cat", "/home/ghost/planted"]);
	if (next.stdout !== "") reached.add("kept");
	return reached;
}

test.each(Object.keys(COLUMNS) as Column[])(
	"%s",
	async (column) => {
		const reached = await attempt(column, []);
		// Keys come another way into a machine that boots.
		if (column === "default") for (const row of await attempt(column, ["--cold"])) reached.add(row);
		results.set(column, reached);
		expect([...reached].sort()).toEqual([...EXPECTED[column]].sort());
	},
	3 * BOOT_TIMEOUT_MS,
);

test("docs/security-probes.md says what was seen", () => {
	const columns = Object.keys(COLUMNS) as Column[];
	checkTable("openings", columns, (column) =>
		Object.entries(ROWS).map(([row, name]) => [name, results.get(column)?.has(row as Row) ?? false] as const),
	);
});
