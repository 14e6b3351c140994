/** What `/proc` says of a process: the kernel's word on how it is locked in. Linux. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

const NAMESPACES = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"] as const;

export interface Seen {
	readonly pid: number;
	readonly command: string;
	/** Values of /proc/PID/status. */
	readonly status: Readonly<Record<string, string>>;
	readonly environment: readonly string[];
	/** Number and target of each descriptor. */
	readonly descriptors: ReadonlyMap<number, string>;
	readonly namespaces: Readonly<Record<string, string>>;
}

export function see(pid: number): Seen {
	const read = (name: string) => readFileSync(`/proc/${pid}/${name}`, "utf8");
	const lines = read("status")
		.split("\n")
		.map((line) => line.split(":\t").map((word) => word.trim()));
	const fds = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
		try {
			return [[Number(fd), readlinkSync(`/proc/${pid}/fd/${fd}`)] as const];
		} catch {
			// Closed while we looked.
			return [];
		}
	});
	return {
		pid,
		command: read("cmdline").replaceAll("\0", " ").trim(),
		status: Object.fromEntries(lines),
		environment: read("environ").split("\0").filter(Boolean),
		descriptors: new Map(fds),
		namespaces: namespacesOf(pid),
	};
}

function namespacesOf(pid: number): Record<string, string> {
	return Object.fromEntries(NAMESPACES.map((kind) => [kind, readlinkSync(`/proc/${pid}/ns/${kind}`)]));
}

/** Which of its namespaces are not this process's. */
export function ownNamespaces({ namespaces }: Seen): string[] {
	const mine = namespacesOf(process.pid);
	return NAMESPACES.filter((kind) => namespaces[kind] !== mine[kind]);
}

/** Innermost processes of a program that name `text`: not the loader's wrapper nor bubblewrap around it. */
export function findProgram(pids: readonly number[], program: string): Seen[] {
	const all = pids.map(see).filter(({ command }) => command.includes(`/bin/${program}`));
	return all.filter(({ command }) => !command.includes("/bin/bwrap "));
}
