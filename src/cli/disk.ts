/** `virtualghost disk list|rm|export`: the disks that `--disk` makes. */
import { constants, copyFileSync, existsSync, linkSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { formatMemoryMiB } from "../config/size.ts";
import { EXIT, Fault, reason } from "../errors.ts";
import { type DiskInfo, listDisks, removeDisk, withDisk } from "../files/disks.ts";
import type { Context } from "./context.ts";
import { table } from "./list.ts";
import { print } from "./output.ts";

export interface DiskFlags {
	readonly action: "list" | "rm" | "export";
	readonly name: string | undefined;
	readonly file: string | undefined;
	readonly json: boolean;
}

const MIB = 1024 * 1024;

export async function disk(context: Context, flags: DiskFlags): Promise<number> {
	const { data } = context.directories;
	if (flags.json && flags.action !== "list") throw usage("--json belongs to `disk list`");
	switch (flags.action) {
		case "list":
			if (flags.name !== undefined) throw usage("`disk list` takes no name");
			print(flags.json ? `${JSON.stringify(listDisks(data).map(asJson), null, 2)}\n` : describe(listDisks(data)));
			return EXIT.ok;
		case "rm":
			if (flags.file !== undefined) throw usage("`disk rm` takes one name");
			await withDisk(data, needName(flags), removeDisk);
			return EXIT.ok;
		case "export": {
			const name = needName(flags);
			if (flags.file === undefined)
				throw usage("`disk export` needs a file to write", `virtualghost disk export ${name} FILE`);
			const target = resolve(flags.file);
			await withDisk(data, name, (each) => exportDisk(each, target));
			return EXIT.ok;
		}
	}
}

function usage(what: string, fix?: string): Fault {
	return new Fault(what, { fix, exitCode: EXIT.usage });
}

function needName({ action, name }: DiskFlags): string {
	if (name !== undefined) return name;
	throw usage(`\`disk ${action}\` needs the name of a disk`, "virtualghost disk list shows them");
}

function asJson({ name, path, sizeMiB, diskBytes, usedAt, inUse }: DiskInfo) {
	return { name, path, sizeMiB, diskBytes, usedAt: usedAt.toISOString(), inUse };
}

function describe(disks: readonly DiskInfo[]): string {
	if (disks.length === 0) return "no disks; `virtualghost --disk NAME` makes one\n";
	return table([
		["NAME", "SIZE", "TAKES", "LAST USED", ""],
		...disks.map((each) => [
			each.name,
			each.sizeMiB === null ? "not a disk" : formatMemoryMiB(each.sizeMiB),
			`${Math.ceil(each.diskBytes / MIB)}M`,
			each.usedAt.toISOString().slice(0, 16).replace("T", " "),
			each.inUse ? "in use" : "",
		]),
	]);
}

/** A qcow2 file that any QEMU opens. Whole or not at all, and in the place of nothing. */
function exportDisk(each: DiskInfo, target: string): void {
	const exists = () =>
		new Fault(`${target} exists`, { fix: "choose another file, or remove it first", exitCode: EXIT.usage });
	if (existsSync(target)) throw exists();
	const temporary = `${target}.part-${process.pid}`;
	try {
		copyFileSync(each.path, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
		linkSync(temporary, target);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "EEXIST") throw exists();
		throw new Fault(`The disk could not be written to ${target}`, { why: reason(error), cause: error });
	} finally {
		rmSync(temporary, { force: true });
	}
}
