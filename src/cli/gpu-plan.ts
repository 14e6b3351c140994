/** `virtualghost gpu plan BDF`: what handing over a card would do, without doing any of it. */
import { EXIT } from "../errors.ts";
import type { Bdf } from "../vfio/bdf.ts";
import { findFunction, isDisplay, type PciHost } from "../vfio/discover.ts";
import { type Asker, judge, type Obstacle } from "../vfio/judge.ts";
import { type PassthroughPlan, planPassthrough } from "../vfio/plan.ts";
import { type CardReport, type NameOf, reportCard, type Verdict, verdictOf } from "../vfio/report.ts";
import type { Context } from "./context.ts";
import { type GpuFlags, requireBdf } from "./gpu.ts";
import { lookAtHost } from "./gpu-host.ts";
import { asciiJson, describeObstacles, describePlan, functionName } from "./gpu-text.ts";
import { print } from "./output.ts";

/** What `gpu plan --json` prints. */
export interface PlanReport {
	readonly address: Bdf;
	readonly verdict: Verdict;
	readonly obstacles: readonly Obstacle[];
	/** Null if there is no such card. */
	readonly card: CardReport | null;
	/** Null if there is nothing that could be planned: no card, no IOMMU group. */
	readonly plan: PassthroughPlan | null;
	/** Somebody will be asked for a password. */
	readonly needsRoot: boolean;
}

/** Exit code 0: `run --gpu BDF` (with `--force`, if that was given) would go on. */
export function gpuPlan(context: Context, flags: GpuFlags): number {
	const gpu = requireBdf(flags);
	const { host, asker, nameOf } = lookAtHost(context);
	const report = reportPlan(host, gpu, asker, nameOf);
	print(flags.json ? asciiJson(report) : describePlanReport(report));
	const goesOn = report.obstacles.every(({ forceable }) => forceable && flags.force);
	return goesOn ? EXIT.ok : EXIT.failure;
}

export function reportPlan(host: PciHost, gpu: Bdf, asker: Asker, nameOf: NameOf): PlanReport {
	const obstacles = judge(host, gpu, asker);
	const found = findFunction(host, gpu);
	const card = found !== null && isDisplay(found) ? found : null;
	const grouped = card !== null && card.group !== null && host.groups.has(card.group);
	const plan = grouped ? planPassthrough(host, gpu, asker.uid) : null;
	return {
		address: gpu,
		verdict: verdictOf(obstacles),
		obstacles,
		card: card === null ? null : reportCard(host, card, asker, nameOf),
		plan,
		needsRoot: plan !== null && plan.steps.length > 0 && asker.uid !== 0,
	};
}

export function describePlanReport({ address, card, verdict, obstacles, plan, needsRoot }: PlanReport): string {
	const lines = [
		`${address}${card === null ? "" : `  ${functionName(card)}`}`,
		`  verdict       ${verdict}`,
		...(obstacles.length === 0 ? [] : ["  why not:", ...describeObstacles(obstacles)]),
		...(plan === null ? [] : describePlan(plan, needsRoot, verdict !== "cannot be passed")),
	];
	return `${lines.join("\n")}\n`;
}
