/** Where a copy ends up, by the rules of `cp -a`, for both directions. Pure. */
import { Fault } from "../../errors.ts";
import { shown } from "./names.ts";

/** What is at the destination before the copy, links followed: its user chose it. */
export type Found = "missing" | "folder" | "other";

export interface Wanted {
	/** The last part of the user's own argument; null to copy the contents of the folder. */
	readonly name: string | null;
	readonly sourceIsFolder: boolean;
	/** As the user wrote it. */
	readonly destination: string;
	readonly found: Found;
	/** Whether the destination's path follows Windows' rules. */
	readonly windows: boolean;
}

/**
 * The name that a copy of `path` gets within another folder; null where the path has none (`.`, `/`, `dir/.`, `..`), so
 * that its contents are meant.
 */
export function copyName(path: string, windows: boolean): string | null {
	// `dir/` is `dir`, as for cp.
	const parts = path.split(windows ? /[\\/]/ : "/").filter((part) => part !== "");
	const last = parts.at(-1);
	if (last === undefined || last === "." || last === "..") return null;
	return windows && /^[A-Za-z]:$/.test(last) ? null : last;
}

/** The copy's own path. @throws Fault if the destination cannot hold it. */
export function placeOf(wanted: Wanted, join: (folder: string, name: string) => string): string {
	const { name, sourceIsFolder, destination, found, windows } = wanted;
	if (found === "folder") return name === null ? destination : join(destination, name);
	const mustBeFolder = (windows ? /[\\/]\.{0,2}$/ : /\/\.{0,2}$/).test(destination);
	if (found === "missing") {
		if (!mustBeFolder || sourceIsFolder) return destination;
		throw new Fault(`The folder ${shown(destination)} does not exist`, {
			fix: "make it, or leave out the slash at the end",
		});
	}
	if (!mustBeFolder && !sourceIsFolder) return destination;
	throw new Fault(`${shown(destination)} is no folder`, {
		why: sourceIsFolder ? "a folder is to be copied there" : "the slash at its end asks for one",
		fix: "name another destination",
	});
}
