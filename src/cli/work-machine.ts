/** A machine that does nothing but give back what an earlier one has changed in its work copy. */
import type { Config } from "../config/schema.ts";
import { collectWork, placeWork } from "../files/work/collect.ts";
import type { Work } from "../files/work/store.ts";
import { Interrupts, rejectOn } from "../interrupts.ts";
import type { Context } from "./context.ts";
import { findHost } from "./host.ts";
import { openRun } from "./open-run.ts";
import type { Report } from "./report.ts";

/** @throws Fault; the work copy is as it was then */
export async function collectInNewMachine(context: Context, config: Config, work: Work, report: Report): Promise<void> {
	using interrupts = new Interrupts();
	const plain: Config = {
		...config,
		gpu: { ...config.gpu, mode: "none" },
		display: { ...config.display, backend: "none" },
		disk: { home: null },
	};
	const host = findHost(context, plain, true);
	const wishes = {
		config: plain,
		host,
		headless: true,
		look: null,
		disks: [{ kind: "work", path: work.disk }] as const,
		hasFiles: true,
	};
	await using opened = await openRun(context, wishes, report, interrupts.signal);
	const { machine } = opened;
	const stopped = rejectOn(interrupts.signal);
	await Promise.race([machine.reach("agent", config.timeouts.bootSeconds * 1000), stopped]);
	using root = await Promise.race([machine.login("root"), stopped]);
	await Promise.race([placeWork(root, work, () => {}), stopped]);
	await Promise.race([collectWork(root, work), stopped]);
	await machine.qmp.execute("quit").catch(() => {});
	await machine.ended;
}
