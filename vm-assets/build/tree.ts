/**
 * Package trees: folders that hold a whole small Debian system, and how to run a program inside one.
 *
 * As root this is chroot in a private mount namespace. As an ordinary user it is the same inside a user namespace that maps
 * the user to root and the user's subordinate ids (/etc/subuid) to the rest. Nothing stays mounted either way.
 */
import { existsSync, lstatSync, rmSync } from "node:fs";
import { Fault } from "../../src/errors.ts";
import { SOURCE_EPOCH } from "./context.ts";
import { type RunOptions, run, runBytes } from "./run.ts";

export const isRoot = process.getuid?.() === 0;

export interface Mount {
	/** Folder on this machine. */
	readonly from: string;
	/** Name under /mnt in the tree. */
	readonly as: string;
}

export interface InTree {
	readonly tree: string;
	readonly argv: readonly string[];
	readonly mounts?: readonly Mount[];
	/** Environment inside; nothing else of ours gets in. */
	readonly env?: Readonly<Record<string, string>>;
}

/** A tmpfs over the tree's /mnt takes the mount points, so a tree can be used by several steps at once and stays as it is. */
const ENTER = `
tree=$1; shift
mount -t tmpfs -o mode=0755 tmpfs "$tree/mnt"
while [ "$1" != -- ]; do mkdir "$tree/mnt/$2"; mount --bind "$1" "$tree/mnt/$2"; shift 2; done; shift
mount --rbind /dev "$tree/dev"
mount -t proc proc "$tree/proc"
mount -t tmpfs -o mode=1777 tmpfs "$tree/tmp"
exec chroot "$tree" /usr/bin/env -i "$@"
`;

/** Runs a program of the tree inside it and gives its stdout. */
export function inTree(call: InTree, options: RunOptions): Promise<Uint8Array> {
	return runBytes(enterTree(call), options);
}

/** The command line that `inTree` runs. */
export function enterTree(call: InTree): string[] {
	const env = {
		PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		HOME: "/root",
		LC_ALL: "C.UTF-8",
		SOURCE_DATE_EPOCH: String(SOURCE_EPOCH),
		...call.env,
	};
	return [
		...namespaces(["--mount", "--pid", "--fork", "--kill-child"]),
		...["/bin/sh", "-euc", ENTER, "enter-tree", call.tree],
		...(call.mounts ?? []).flatMap((mount) => [mount.from, mount.as]),
		"--",
		...Object.entries(env).map(([name, value]) => `${name}=${value}`),
		...call.argv,
	];
}

/** Prefix that gives a command the rights of root over trees, in namespaces of its own. */
export function namespaces(extra: readonly string[] = []): string[] {
	return ["unshare", ...(isRoot ? [] : ["--map-root-user", "--map-auto"]), ...extra, "--"];
}

/** Removes a folder whose files may belong to subordinate ids. */
export async function removeTree(path: string): Promise<void> {
	if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
	try {
		rmSync(path, { recursive: true, force: true });
	} catch (error) {
		if (isRoot || !existsSync(path)) throw error;
		await run([...namespaces(), "rm", "-rf", "--one-file-system", path], { log: "/dev/null" });
	}
	if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) {
		throw new Fault(`cannot remove ${path}`, { fix: "Remove it by hand and build again." });
	}
}
