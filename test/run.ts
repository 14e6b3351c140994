/**
 * Everything that CI checks, in order of cost: linter, types, unit tests, then machines that boot. The last line is
 * `N passed, N failed` alone. `bun test/run.ts unit|vm|vfio [filter]` runs a part; vfio (machines inside a
 * machine, half an hour) runs only when it is named.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "..");
const BUN = process.execPath;
const NODE_MODULES = join(ROOT, "node_modules/.bin");

interface Tally {
	passed: number;
	failed: number;
}

const VFIO = "test/vm/vfio";

/** One check is one command; a test file counts its tests. */
interface Check {
	readonly name: string;
	readonly argv: readonly string[];
	/** Tests are counted from bun's JUnit report; anything else counts as one. */
	readonly tests: boolean;
}

function testFiles(folder: string, filter: string | undefined): string[] {
	const files = [...new Bun.Glob("**/*.test.ts").scanSync(join(ROOT, folder))].sort();
	return files.filter((file) => filter === undefined || file.includes(filter)).map((file) => join(folder, file));
}

function plan(part: string | undefined, filter: string | undefined): Check[] {
	const unit: Check[] = [
		{ name: "linter and formatter", argv: [join(NODE_MODULES, "biome"), "ci", "--colors=off"], tests: false },
		{ name: "types", argv: [join(NODE_MODULES, "tsc"), "--noEmit"], tests: false },
		{ name: "unit tests", argv: [BUN, "test", "--timeout=60000", "test/unit"], tests: true },
	];
	// One file at a time: two machines at once on two cores would measure each other.
	const machines = (folder: string) =>
		testFiles(folder, filter).map((name) => ({ name, argv: [BUN, "test", `./${name}`], tests: true }));
	const vfio = machines(VFIO);
	const vm = machines("test/vm").filter(({ name }) => !name.startsWith(VFIO));
	if (part === "unit") return unit;
	if (part === "vm") return vm;
	if (part === "vfio") return vfio;
	if (part === undefined || part === "all") return [...unit, ...vm];
	console.error(`no part "${part}": unit, vm, vfio or all`);
	process.exit(2);
}

async function runCheck(check: Check, reports: string): Promise<Tally> {
	const from = performance.now();
	console.log(`\n== ${check.name}`);
	const report = join(reports, `${check.name.replaceAll(/\W/g, "_")}.xml`);
	const extra = check.tests ? ["--reporter=junit", `--reporter-outfile=${report}`] : [];
	const child = Bun.spawn([...check.argv, ...extra], {
		cwd: ROOT,
		stdin: "ignore",
		stdout: "inherit",
		stderr: "inherit",
	});
	const code = await child.exited;
	const tally = check.tests ? countTests(report, code) : { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1 };
	const seconds = ((performance.now() - from) / 1000).toFixed(1);
	console.log(`== ${check.name}: ${tally.passed} passed, ${tally.failed} failed in ${seconds} s`);
	return tally;
}

/** A runner that dies without a report, or fails without a failed test, counts as one failure. */
function countTests(report: string, code: number): Tally {
	let xml = "";
	try {
		xml = readFileSync(report, "utf8");
	} catch {
		return { passed: 0, failed: 1 };
	}
	const attribute = (name: string) => Number(new RegExp(`<testsuites[^>]*\\b${name}="(\\d+)"`).exec(xml)?.[1] ?? 0);
	const failed = attribute("failures");
	const passed = attribute("tests") - failed - attribute("skipped");
	return { passed, failed: failed === 0 && code !== 0 ? 1 : failed };
}

const [part, filter] = process.argv.slice(2);
const reports = mkdtempSync(join(tmpdir(), "vg-reports-"));
const from = performance.now();
const total: Tally = { passed: 0, failed: 0 };
try {
	for (const check of plan(part, filter)) {
		const { passed, failed } = await runCheck(check, reports);
		total.passed += passed;
		total.failed += failed;
	}
} finally {
	rmSync(reports, { recursive: true, force: true });
}
console.log(`\nchecks took ${Math.round((performance.now() - from) / 1000)} s`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
