/** What a run keeps or shares: opened before the machine is started, put into place in the guest before its session starts. */
import { parseDiskSpec } from "../config/disk-spec.ts";
import type { Config } from "../config/schema.ts";
import { EXIT, Fault, reason } from "../errors.ts";
import { diskPath, openDisk } from "../files/disks.ts";
import { watchFullDisk } from "../files/full-disk.ts";
import { runScript } from "../files/guest-scripts.ts";
import { checkTargets, parseMount } from "../files/mount-spec.ts";
import { type Mount, mountShare } from "../files/share/mount.ts";
import { findSource, type SourceFacts } from "../files/source.ts";
import { collectWork, letGo, placeWork, sessionHasEnded, WORK_TARGET } from "../files/work/collect.ts";
import { Work, workFolder } from "../files/work/store.ts";
import type { KeptDisk, MachinePlan } from "../plan/machine-plan.ts";
import type { GuestSession } from "../ssh/client.ts";
import type { Machine } from "../vm/machine.ts";
import type { Context } from "./context.ts";
import { type OnExit, parseOnExit } from "./on-exit.ts";
import type { Report } from "./report.ts";
import { decideWork, tellKept } from "./work-decide.ts";
import { collectInNewMachine } from "./work-machine.ts";

export interface FileFlags {
	/** `source:target[:rw]` */
	readonly mount: readonly string[];
	readonly yesMountHome: boolean;
	/** Folder of which the machine gets a copy to work on. */
	readonly work: string | undefined;
	readonly onExit: string | undefined;
}

export interface RunFiles extends AsyncDisposable {
	/** For the machine's plan. */
	readonly disks: readonly KeptDisk[];
	/** Something has to be done in the guest before its session starts. */
	readonly hasFiles: boolean;
	/** Puts everything into place, then starts the session where the machine has one. @throws Fault */
	place(machine: Machine): Promise<void>;
	/** Where a command starts, if not in the home. */
	readonly folder: string | null;
	/** Gets the changes of a work copy while the machine is there. Never rejects: what is not collected is kept. */
	collect(): Promise<void>;
	/** Before a machine is ended without asking its guest: what it has written reaches the disks. */
	settle(): Promise<void>;
	/** After the machine has ended: deals with the changes of a work copy. @throws Fault */
	finish(): Promise<boolean>;
	/** The run has failed: says where the changes of a work copy are. */
	tellKept(): void;
}

/** From the end of the agent to that of QEMU, on an emulated processor. */
const ENDING_MS = 20_000;

interface Wanted {
	readonly mounts: readonly Mount[];
	/** Real path. */
	readonly work: string | null;
	readonly onExit: OnExit | null;
}

/** @throws Fault for flags that cannot be followed */
export function checkFiles(context: Context, flags: FileFlags): Wanted {
	const facts: SourceFacts = {
		home: context.directories.home,
		cwd: process.cwd(),
		allowHome: flags.yesMountHome,
	};
	const specs = flags.mount.map(parseMount);
	if (flags.onExit !== undefined && flags.work === undefined) {
		throw new Fault("--on-exit belongs to --work", { exitCode: EXIT.usage });
	}
	checkTargets([...specs, ...(flags.work === undefined ? [] : [{ target: WORK_TARGET }])]);
	return {
		mounts: specs.map((spec) => ({ ...spec, source: findSource("--mount", spec.source, facts) })),
		work: flags.work === undefined ? null : findSource("--work", flags.work, facts),
		onExit: flags.onExit === undefined ? null : parseOnExit(flags.onExit),
	};
}

/** @throws Fault for a disk or a folder that cannot be had */
export async function openFiles(
	context: Context,
	config: Config,
	flags: FileFlags & { readonly name: string | undefined },
	report: Report,
): Promise<RunFiles> {
	await using scope = new AsyncDisposableStack();
	const wanted = checkFiles(context, flags);
	const disks: KeptDisk[] = [];
	if (config.disk.home !== null) {
		const disk = scope.use(openDisk(context.directories.data, parseDiskSpec(config.disk.home)));
		report.detail(`disk: ${disk.path}${disk.isNew ? " (new)" : ""}`);
		disks.push({ kind: "home", path: disk.path });
	}
	let work: Work | null = null;
	if (wanted.work !== null) {
		work = scope.use(Work.create(context.directories.data, wanted.work, flags.name ?? "-"));
		report.detail(`work copy: ${work.id}`);
		disks.push({ kind: "work", path: work.disk });
	}
	return new OpenFiles({ context, config, report, wanted, work }, disks, scope.move());
}

/** What to tell when something is lost, by its name. */
type Lost = (what: string) => (why: string) => Promise<void>;

interface Parts {
	readonly context: Context;
	readonly config: Config;
	readonly report: Report;
	readonly wanted: Wanted;
	readonly work: Work | null;
}

class OpenFiles implements RunFiles {
	readonly disks: readonly KeptDisk[];
	readonly hasFiles: boolean;
	readonly folder: string | null;
	readonly #parts: Parts;
	readonly #scope: AsyncDisposableStack;
	#root: GuestSession | null = null;
	#collecting: Promise<void> | null = null;
	/** The guest has something of the work copy. */
	#isPlaced = false;

	constructor(parts: Parts, disks: readonly KeptDisk[], scope: AsyncDisposableStack) {
		this.#parts = parts;
		this.disks = disks;
		this.hasFiles = disks.length > 0 || parts.wanted.mounts.length > 0;
		this.folder = parts.work && WORK_TARGET;
		this.#scope = scope;
	}

	async place(machine: Machine): Promise<void> {
		if (!this.hasFiles) return;
		const { report, work } = this.#parts;
		const keepSessions = () => machine.keepSessions();
		const paths = new Map(this.disks.map(({ kind, path }) => [kind, path]));
		this.#scope.use(watchFullDisk({ qmp: machine.qmp, keepSessions }, paths, report));
		const root = this.#scope.use(await machine.login("root"));
		this.#root = root;
		const lost: Lost = (what) => async (why: string) => {
			// A machine that goes down loses its connections first.
			const isEnding = await machine.child.exitsWithin(ENDING_MS);
			if (!isEnding) report.warn(`${what} is no longer in the machine (${why})`);
		};
		// Side by side: much of it is waiting.
		await Promise.all([this.#placeHomeAndMounts(root, lost), this.#placeWork(root, lost)]);
		if (!machine.plan.sessionLater) return;
		await runScript(root, "The session could not be started", "start-session", graphicsWords(machine.plan));
		if (work) {
			void sessionHasEnded(root)
				.then((ended) => (ended ? this.collect() : undefined))
				.catch(() => {});
		}
	}

	/** In this order: a folder may be mounted in the home. */
	async #placeHomeAndMounts(root: GuestSession, lost: Lost): Promise<void> {
		const { config, report, wanted } = this.#parts;
		if (config.disk.home !== null) {
			await runScript(root, `The disk ${config.disk.home} cannot be used as the home`, "home-disk");
			report.stage("disk mounted");
		}
		for (const mount of wanted.mounts) {
			await mountShare(root, mount, lost(`the folder ${mount.source}`));
			report.stage(`${mount.source} is at ${mount.target}${mount.writable ? ", writable" : ""}`);
		}
	}

	async #placeWork(root: GuestSession, lost: Lost): Promise<void> {
		const { report, work } = this.#parts;
		if (!work) return;
		await placeWork(root, work, lost(`the folder ${work.record.folder}`));
		this.#isPlaced = true;
		report.stage(`a copy of ${work.record.folder} is at ${WORK_TARGET}`);
	}

	collect(): Promise<void> {
		this.#collecting ??= this.#collect();
		return this.#collecting;
	}

	async #collect(): Promise<void> {
		const { work, report } = this.#parts;
		const root = this.#root;
		if (!work || !root || !this.#isPlaced || work.isCollected) return;
		try {
			await collectWork(root, work);
		} catch (error) {
			const why = error instanceof Fault ? `${error.message}: ${error.details.why ?? ""}` : reason(error);
			report.detail(`${why}; once more when the machine has ended`);
		}
		await letGo(root);
	}

	async settle(): Promise<void> {
		await this.#root?.exec("sync; umount /home/ghost 2>/dev/null; true").catch(() => {});
	}

	async finish(): Promise<boolean> {
		const { context, config, report, wanted, work } = this.#parts;
		await this.#collecting;
		if (!work) return true;
		if (!this.#isPlaced) {
			work.remove();
			return true;
		}
		if (!work.isCollected) {
			report.stage("getting the changes of the work copy with another machine");
			try {
				await collectInNewMachine(context, config, work, report);
			} catch (error) {
				tellKept(work);
				throw error;
			}
		}
		return await decideWork(work, wanted.onExit);
	}

	tellKept(): void {
		const { work } = this.#parts;
		if (work && this.#isPlaced) tellKept(work);
		else work?.remove();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#scope.disposeAsync();
	}
}

/** The same for `--dry-run`: nothing is made. */
export function plannedFiles(data: string, config: Config, flags: FileFlags): Pick<RunFiles, "disks" | "hasFiles"> {
	const { home } = config.disk;
	const disks: KeptDisk[] = [];
	if (home !== null) disks.push({ kind: "home", path: diskPath(data, parseDiskSpec(home).name) });
	if (flags.work !== undefined) disks.push({ kind: "work", path: `${workFolder(data)}/ID/work.qcow2` });
	return { disks, hasFiles: disks.length > 0 || flags.mount.length > 0 };
}

/** As `GUEST_PATH.gpu`. */
function graphicsWords({ gpu, gpuFallback }: MachinePlan): string[] {
	return gpuFallback ? [gpu, "software"] : [gpu];
}
