/** What a run keeps or shares: opened before the machine is started, put into place in the guest before its session starts. */
import { parseDiskSpec } from "../config/disk-spec.ts";
import type { Config } from "../config/schema.ts";
import { diskPath, openDisk } from "../files/disks.ts";
import { watchFullDisk } from "../files/full-disk.ts";
import { runScript } from "../files/guest-scripts.ts";
import { checkTargets, parseMount } from "../files/mount-spec.ts";
import { type Mount, mountShare } from "../files/share/mount.ts";
import { findSource, type SourceFacts } from "../files/source.ts";
import type { KeptDisk, MachinePlan } from "../plan/machine-plan.ts";
import type { GuestSession } from "../ssh/client.ts";
import type { Machine } from "../vm/machine.ts";
import type { Context } from "./context.ts";
import type { Report } from "./report.ts";

export interface FileFlags {
	/** `source:target[:rw]` */
	readonly mount: readonly string[];
	readonly yesMountHome: boolean;
}

export interface RunFiles extends AsyncDisposable {
	/** For the machine's plan. */
	readonly disks: readonly KeptDisk[];
	/** Something has to be done in the guest before its session starts. */
	readonly hasFiles: boolean;
	/** Puts everything into place, then starts the session where the machine has one. @throws Fault */
	place(machine: Machine): Promise<void>;
	/** Before a machine is ended without asking its guest: what it has written reaches the disks. */
	settle(): Promise<void>;
}

/** @throws Fault for flags that cannot be followed */
export function checkFiles(context: Context, flags: FileFlags): Mount[] {
	const facts: SourceFacts = {
		home: context.directories.home,
		cwd: process.cwd(),
		allowHome: flags.yesMountHome,
	};
	const specs = flags.mount.map(parseMount);
	checkTargets(specs);
	return specs.map((spec) => ({ ...spec, source: findSource("--mount", spec.source, facts) }));
}

/** @throws Fault for a disk or a folder that cannot be had */
export async function openFiles(context: Context, config: Config, flags: FileFlags, report: Report): Promise<RunFiles> {
	await using scope = new AsyncDisposableStack();
	const mounts = checkFiles(context, flags);
	const disks: KeptDisk[] = [];
	if (config.disk.home !== null) {
		const disk = scope.use(openDisk(context.directories.data, parseDiskSpec(config.disk.home)));
		report.detail(`disk: ${disk.path}${disk.isNew ? " (new)" : ""}`);
		disks.push({ kind: "home", path: disk.path });
	}
	const hasFiles = disks.length > 0 || mounts.length > 0;
	let root: GuestSession | null = null;
	const moved = scope.move();
	const place = async (machine: Machine) => {
		if (!hasFiles) return;
		const keepSessions = () => machine.keepSessions();
		const paths = new Map(disks.map(({ kind, path }) => [kind, path]));
		moved.use(watchFullDisk({ qmp: machine.qmp, keepSessions }, paths, report));
		root = moved.use(await machine.login("root"));
		if (paths.has("home")) {
			await runScript(root, `The disk ${config.disk.home} cannot be used as the home`, "home-disk");
			report.stage("disk mounted");
		}
		for (const mount of mounts) {
			const lost = (why: string) => {
				if (machine.child.running) report.warn(`the folder ${mount.source} is no longer in the machine (${why})`);
			};
			await mountShare(root, mount, lost);
			report.stage(`${mount.source} is at ${mount.target}${mount.writable ? ", writable" : ""}`);
		}
		if (!machine.plan.sessionLater) return;
		await runScript(root, "The session could not be started", "start-session", graphicsWords(machine.plan));
	};
	const settle = async () => {
		await root?.exec("sync; umount /home/ghost 2>/dev/null; true").catch(() => {});
	};
	return { disks, hasFiles, place, settle, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

/** The same for `--dry-run`: nothing is made. */
export function plannedFiles(data: string, config: Config, flags: FileFlags): Pick<RunFiles, "disks" | "hasFiles"> {
	const { home } = config.disk;
	const disks: KeptDisk[] = home === null ? [] : [{ kind: "home", path: diskPath(data, parseDiskSpec(home).name) }];
	return { disks, hasFiles: disks.length > 0 || flags.mount.length > 0 };
}

/** As `GUEST_PATH.gpu`. */
function graphicsWords({ gpu, gpuFallback }: MachinePlan): string[] {
	return gpuFallback ? [gpu, "software"] : [gpu];
}
