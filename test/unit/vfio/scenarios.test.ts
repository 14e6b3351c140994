/**
 * Every made-up machine against its golden file: what `gpu list` and `gpu plan` print. The texts are the same on any
 * system, since nothing but the tree in memory is read. `UPDATE_GOLDEN=1 bun test …` writes them anew.
 */
import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describePlanReport, reportPlan } from "../../../src/cli/gpu-plan.ts";
import { asciiJson, describeCards } from "../../../src/cli/gpu-text.ts";
import { parseBdf } from "../../../src/vfio/bdf.ts";
import { discover } from "../../../src/vfio/discover.ts";
import { findNames } from "../../../src/vfio/ids.ts";
import { type Asker, judge } from "../../../src/vfio/judge.ts";
import { reportCards } from "../../../src/vfio/report.ts";
import { NVIDIA, PCI_IDS_EXCERPT } from "./parts.ts";
import { CARDS, GROUPS, type Scenario } from "./scenarios.ts";
import { BROKEN, HOST } from "./scenarios-host.ts";

const GOLDEN = join(import.meta.dir, "golden");
const SCENARIOS: Readonly<Record<string, Scenario>> = { ...CARDS, ...GROUPS, ...HOST, ...BROKEN };
const ASKER: Asker = { uid: 1000, memlockBytes: null, guestMemoryBytes: 4 * 1024 ** 3 };

const nameOf = (vendor: string, device: string) => findNames(PCI_IDS_EXCERPT, vendor, device);

function look(scenario: Scenario) {
	const asker = { ...ASKER, ...scenario.asker };
	const gpu = parseBdf(scenario.gpu ?? NVIDIA.bdf) ?? "";
	return { host: discover(scenario.make()), asker, gpu };
}

test.each(Object.entries(SCENARIOS))("%s", (name, scenario) => {
	const { host, asker, gpu } = look(scenario);
	expect(judge(host, gpu, asker).map(({ kind }) => kind)).toEqual([...scenario.obstacles]);
	const list = describeCards(reportCards(host, asker, nameOf));
	const plan = describePlanReport(reportPlan(host, gpu, asker, nameOf));
	const text = `$ virtualghost gpu list\n${list}\n$ virtualghost gpu plan ${gpu}\n${plan}`;
	// Newlines apart, only what is printable anywhere.
	expect(text).not.toMatch(/[^\n -~…]/);
	const path = join(GOLDEN, `${name}.txt`);
	if (process.env.UPDATE_GOLDEN) writeFileSync(path, text);
	expect(existsSync(path) ? readFileSync(path, "utf8").replaceAll("\r\n", "\n") : "").toBe(text);
});

test.each(Object.entries(SCENARIOS))("%s: JSON holds the same, in ASCII", (_, scenario) => {
	const { host, asker, gpu } = look(scenario);
	const cards = reportCards(host, asker, nameOf);
	expect(JSON.parse(asciiJson(cards))).toEqual(cards);
	const plan = reportPlan(host, gpu, asker, nameOf);
	expect(JSON.parse(asciiJson(plan))).toEqual(plan);
	expect(asciiJson([cards, plan])).not.toMatch(/[^\n -~]/);
});

test("no golden file is left over, and there are enough of them", () => {
	const files = readdirSync(GOLDEN).sort();
	expect(files).toEqual(
		Object.keys(SCENARIOS)
			.map((name) => `${name}.txt`)
			.sort(),
	);
	expect(files.length).toBeGreaterThanOrEqual(30);
});
