/** Whatever sysfs says, and whatever vanishes while it is read: nothing throws, and nothing unprintable gets out. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { describePlanReport, reportPlan } from "../../../src/cli/gpu-plan.ts";
import { asciiJson, describeCards } from "../../../src/cli/gpu-text.ts";
import { discover } from "../../../src/vfio/discover.ts";
import type { Files } from "../../../src/vfio/files.ts";
import { findNames } from "../../../src/vfio/ids.ts";
import { type Asker, judge } from "../../../src/vfio/judge.ts";
import { reportCards } from "../../../src/vfio/report.ts";
import { NVIDIA } from "./parts.ts";
import { CARDS, GROUPS } from "./scenarios.ts";
import { BROKEN, HOST } from "./scenarios-host.ts";

const SCENARIOS = Object.values({ ...CARDS, ...GROUPS, ...HOST, ...BROKEN });

/** Newlines are the renderer's own: no line may begin otherwise than it writes them. */
const LINE = /^(?:$|there is no graphics card|[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]| {2,})/;
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

const nasty = fc.oneof(
	fc.string({ unit: "binary", maxLength: 300 }),
	fc.constantFrom(
		"",
		"\n",
		"..",
		"../../..",
		"\u001b[2J",
		"\u202e",
		"0x10de\n",
		"0x030000\n",
		"1\n",
		"\ud800",
		"vfio-pci",
	),
	fc.nat(70_000).map((length) => "y".repeat(length)),
);

/** At which each made-up machine's card is pulled out. */
const POINTS = 20;

const scenario = fc.nat(SCENARIOS.length - 1).map((i) => SCENARIOS[i]);
const damage = fc.array(
	fc.tuple(fc.nat(), fc.constantFrom("file", "link", "remove", "folder", "child"), nasty, fc.nat()),
	{ maxLength: 12 },
);

function checkAll(files: Files, names: string): void {
	const host = discover(files);
	const asker: Asker = { uid: 1000, memlockBytes: 1, guestMemoryBytes: 1 };
	const nameOf = (vendor: string, device: string) => findNames(names, vendor, device);
	const cards = reportCards(host, asker, nameOf);
	const plans = [NVIDIA.bdf, ...host.functions.map(({ bdf }) => bdf)].map((bdf) =>
		reportPlan(host, bdf, asker, nameOf),
	);
	const text = describeCards(cards) + plans.map(describePlanReport).join("");
	expect(text.split("\n").filter((line) => UNPRINTABLE.test(line) || !LINE.test(line))).toEqual([]);
	expect(asciiJson([cards, plans])).not.toMatch(/[^\n -~]/);
	// Faults are made of these.
	const obstacles = host.functions.flatMap(({ bdf }) => judge(host, bdf, asker));
	expect(obstacles.filter(({ kind, text, fix }) => !/^[a-z-]+$/.test(kind) || UNPRINTABLE.test(text + fix))).toEqual(
		[],
	);
}

test("damaged trees", () => {
	fc.assert(
		fc.property(scenario, damage, nasty, (chosen, damages, names) => {
			const machine = chosen?.make();
			if (machine === undefined) return;
			for (const [where, kind, text, other] of damages) {
				const paths = machine.paths().filter((path) => path !== "/");
				const path = paths[where % paths.length] ?? "/x";
				const word = text.replaceAll(/[/\0]|^\.{1,2}$/g, "").slice(0, 255) || "x";
				if (kind === "child" && machine.list(path) !== null) machine.file(`${path}/${word}`, text);
				if (kind === "remove") machine.remove(path);
				if (kind === "file" && machine.list(path) === null) machine.file(path, text);
				if (kind === "link" && machine.list(path) === null)
					machine.symlink(path, other % 2 ? text : (paths[other % paths.length] ?? ""));
			}
			checkAll(machine, `10de  ${names}\n\t2684  ${names}\n`);
		}),
		{ numRuns: 300 },
	);
});

test("a device that is pulled out between any two questions", () => {
	for (const { make } of SCENARIOS) {
		const questions = countQuestions(make());
		const step = Math.max(1, Math.floor(questions / POINTS));
		for (let after = 0; after < questions; after += step)
			checkAll(
				silentAfter(make(), after, () => true),
				"",
			);
	}
});

test("answers that fail now and then", () => {
	fc.assert(
		fc.property(scenario, fc.integer({ min: 2, max: 30 }), fc.nat(30), (chosen, every, offset) => {
			let n = offset;
			if (chosen !== undefined)
				checkAll(
					silentAfter(chosen.make(), 0, () => ++n % every === 0),
					"",
				);
		}),
	);
});

function countQuestions(files: Files): number {
	let count = 0;
	const counted = silentAfter(files, 0, () => {
		count++;
		return false;
	});
	discover(counted);
	return count;
}

/** After so many questions, those that `silent` picks get no answer. */
function silentAfter(files: Files, after: number, silent: () => boolean): Files {
	let asked = 0;
	const gone = () => asked++ >= after && silent();
	return {
		read: (path) => (gone() ? null : files.read(path)),
		list: (path) => (gone() ? null : files.list(path)),
		link: (path) => (gone() ? null : files.link(path)),
		real: (path) => (gone() ? null : files.real(path)),
		mayOpen: (path) => !gone() && files.mayOpen(path),
	};
}
