/** `virtualghost list`: the machines that run now. */
import { EXIT } from "../errors.ts";
import type { InstanceRecord } from "../vm/instance-record.ts";
import { runningInstances, sweepDead } from "../vm/registry.ts";
import type { Context } from "./context.ts";
import { print } from "./output.ts";
import { stripControls } from "./terminal-text.ts";

export function list(context: Context, flags: { json: boolean }): number {
	const { runtime } = context.directories;
	sweepDead(runtime);
	const records = runningInstances(runtime).map(({ record }) => record);
	if (flags.json) print(`${JSON.stringify(records.map(publicRecord), null, 2)}\n`);
	else if (records.length === 0) print("no machine is running\n");
	else
		print(
			table([
				["NAME", "STATE", "SINCE", "CPUS", "MEMORY", "ACCEL", "GPU", "WINDOW", "NETWORK", "PORTS"],
				...records.map(row),
			]),
		);
	return EXIT.ok;
}

/** What scripts may rely on. */
function publicRecord(record: InstanceRecord) {
	const { name, stage, startedAt, version, launcher, machine, published, logs } = record;
	return { name, state: stage, startedAt, version, pid: launcher.pid, ...machine, ports: published, logs };
}

function row({ name, stage, startedAt, machine, published }: InstanceRecord): string[] {
	return [
		name,
		stage,
		duration(Date.now() - Date.parse(startedAt)),
		String(machine?.vcpus ?? "-"),
		machine ? `${machine.memoryMiB}M` : "-",
		machine?.accelerator ?? "-",
		machine?.gpu ?? "-",
		machine?.display ?? "-",
		machine?.network ?? "-",
		published.join(", ") || "-",
	];
}

/** Two units are enough: `42s`, `5m 3s`, `2h 10m`, `3d 4h`. */
export function duration(milliseconds: number): string {
	const seconds = Math.max(0, Math.floor(milliseconds / 1000));
	const parts = [
		[Math.floor(seconds / 86_400), "d"],
		[Math.floor(seconds / 3600) % 24, "h"],
		[Math.floor(seconds / 60) % 60, "m"],
		[seconds % 60, "s"],
	] as const;
	const first = parts.findIndex(([amount]) => amount > 0);
	const shown = first < 0 ? parts.slice(3) : parts.slice(first, first + 2);
	return shown.map(([amount, unit]) => `${amount}${unit}`).join(" ");
}

/** Columns as wide as their widest cell; the words in them may be anybody's. */
export function table(rows: readonly (readonly string[])[]): string {
	const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
	const line = (cells: readonly string[]) =>
		cells
			.map((cell, i) => cell.padEnd(widths[i] ?? 0))
			.join("  ")
			.trimEnd();
	return `${rows.map((cells) => stripControls(line(cells))).join("\n")}\n`;
}
