/** What a run keeps or shares: opened before the machine is started, put into place in the guest before its session starts. */
import { parseDiskSpec } from "../config/disk-spec.ts";
import type { Config } from "../config/schema.ts";
import { diskPath, openDisk } from "../files/disks.ts";
import { watchFullDisk } from "../files/full-disk.ts";
import { runScript } from "../files/guest-scripts.ts";
import type { KeptDisk, MachinePlan } from "../plan/machine-plan.ts";
import type { GuestSession } from "../ssh/client.ts";
import type { Machine } from "../vm/machine.ts";
import type { Context } from "./context.ts";
import type { Report } from "./report.ts";

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

/** @throws Fault for a disk that cannot be had */
export async function openFiles(context: Context, config: Config, report: Report): Promise<RunFiles> {
	await using scope = new AsyncDisposableStack();
	const disks: KeptDisk[] = [];
	if (config.disk.home !== null) {
		const spec = parseDiskSpec(config.disk.home);
		const disk = scope.use(openDisk(context.directories.data, spec));
		report.detail(`disk: ${disk.path}${disk.isNew ? " (new)" : ""}`);
		disks.push({ kind: "home", path: disk.path });
	}
	let root: GuestSession | null = null;
	const place = async (machine: Machine) => {
		if (disks.length === 0) return;
		moved.use(watchFullDisk(machine.qmp, new Map(disks.map(({ kind, path }) => [kind, path])), report));
		root = moved.use(await machine.login("root"));
		if (disks.some(({ kind }) => kind === "home")) {
			await runScript(root, `The disk ${config.disk.home} cannot be used as the home`, "home-disk");
			report.stage("disk mounted");
		}
		if (machine.plan.sessionLater)
			await runScript(root, "The session could not be started", "start-session", graphicsWords(machine.plan));
	};
	const settle = async () => {
		await root?.exec("sync; umount /home/ghost 2>/dev/null; true").catch(() => {});
	};
	const moved = scope.move();
	return { disks, hasFiles: disks.length > 0, place, settle, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

/** The same for `--dry-run`: nothing is made. */
export function plannedFiles(data: string, config: Config): Pick<RunFiles, "disks" | "hasFiles"> {
	if (config.disk.home === null) return { disks: [], hasFiles: false };
	return { disks: [{ kind: "home", path: diskPath(data, parseDiskSpec(config.disk.home).name) }], hasFiles: true };
}

/** As `GUEST_PATH.gpu`. */
function graphicsWords({ gpu, gpuFallback }: MachinePlan): string[] {
	return gpuFallback ? [gpu, "software"] : [gpu];
}
