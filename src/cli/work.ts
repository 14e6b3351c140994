/** `virtualghost work list|recover|rm`: changes of work copies that were not dealt with. */
import { EXIT, Fault } from "../errors.ts";
import { type KnownWork, listWork, Work } from "../files/work/store.ts";
import { type Context, loadContextConfig } from "./context.ts";
import { table } from "./list.ts";
import { type OnExit, parseOnExit } from "./on-exit.ts";
import { print } from "./output.ts";
import { createReport } from "./report.ts";
import { decideWork } from "./work-decide.ts";
import { collectInNewMachine } from "./work-machine.ts";

export interface WorkFlags {
	readonly action: "list" | "recover" | "rm";
	readonly id: string | undefined;
	readonly onExit: string | undefined;
	readonly json: boolean;
}

const MIB = 1024 * 1024;

export async function work(context: Context, flags: WorkFlags & Readonly<Record<string, unknown>>): Promise<number> {
	const { data } = context.directories;
	const usage = (what: string, fix?: string) => new Fault(what, { fix, exitCode: EXIT.usage });
	if (flags.json && flags.action !== "list") throw usage("--json belongs to `work list`");
	if (flags.onExit !== undefined && flags.action !== "recover") throw usage("--on-exit belongs to `work recover`");
	if (flags.action === "list") {
		if (flags.id !== undefined) throw usage("`work list` takes no id");
		const known = listWork(data);
		print(flags.json ? `${JSON.stringify(known.map(asJson), null, 2)}\n` : describe(known));
		return EXIT.ok;
	}
	if (flags.id === undefined) throw usage(`\`work ${flags.action}\` needs an id`, "virtualghost work list shows them");
	const onExit = flags.onExit === undefined ? null : parseOnExit(flags.onExit);
	using opened = Work.open(data, flags.id);
	if (flags.action === "rm") {
		opened.remove();
		return EXIT.ok;
	}
	return await recover(context, opened, onExit);
}

async function recover(context: Context, opened: Work, onExit: OnExit | null): Promise<number> {
	if (!opened.isCollected) {
		const { config } = loadContextConfig(context, {});
		await collectInNewMachine(context, config, opened, createReport(context));
	}
	return (await decideWork(opened, onExit)) ? EXIT.ok : EXIT.failure;
}

function asJson({ id, folder, name, startedAt, isCollected, inUse, diskBytes, path }: KnownWork) {
	return { id, folder, name, startedAt: new Date(startedAt).toISOString(), isCollected, inUse, diskBytes, path };
}

function describe(known: readonly KnownWork[]): string {
	if (known.length === 0) return "no work copies; `virtualghost run --work FOLDER` makes one\n";
	return table([
		["ID", "FOLDER", "MACHINE", "TAKES", ""],
		...known.map((each) => [
			each.id,
			each.folder,
			each.name,
			`${Math.ceil(each.diskBytes / MIB)}M`,
			each.inUse ? "in use" : each.isCollected ? "to be decided" : "to be recovered",
		]),
	]);
}
