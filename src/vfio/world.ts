/** The machine as the root steps see and change it; tests put a made-up one in its place. */
import { chmodSync, chownSync, lstatSync } from "node:fs";
import { Fault, reason } from "../errors.ts";
import { type Files, hostFiles } from "./files.ts";
import { Journals } from "./journal.ts";
import { writeSysfs } from "./sysfs.ts";
import { findTool, runTool } from "./tool.ts";

export interface NodeOwner {
	readonly uid: number;
	/** Permission bits. */
	readonly mode: number;
}

export interface World {
	readonly files: Files;
	readonly journals: Journals;
	/** @param keep see `ToolOptions.keep` @throws WriteProblem */
	write(path: string, text: string, keep: number | null): Promise<void>;
	/** @throws Fault */
	loadModule(name: string, keep: number | null): Promise<void>;
	/** Waits until udev has done its part with new device nodes, where there is udev. */
	settle(): Promise<void>;
	/** Null if there is no such node. */
	nodeOwner(node: string): NodeOwner | null;
	/** @throws Fault */
	giveNode(node: string, owner: NodeOwner): void;
	/** Milliseconds between two looks at who has the node open. */
	readonly pollMs: number;
	/** How long a QEMU that is ending, or a dead helper's last write, is waited for where somebody looks on, in milliseconds. */
	readonly patienceMs: number;
}

const MODPROBE_TIMEOUT_MS = 60_000;
const SETTLE_TIMEOUT_MS = 10_000;
const POLL_MS = 200;
const PATIENCE_MS = 30_000;

/** This machine. `root` and `journals` are for tests: a folder with a tree like the one below `/`. */
export function hostWorld(root = "", journals = new Journals()): World {
	return {
		files: hostFiles(root),
		journals,
		pollMs: POLL_MS,
		patienceMs: PATIENCE_MS,
		write: (path, text, keep) => writeSysfs(root + path, text, keep),
		loadModule,
		settle: async () => {
			const udevadm = findTool("udevadm");
			if (udevadm === null) return;
			// It would otherwise take the node back to root after we gave it away. Without a running udev it fails at once.
			const argv = [udevadm, "settle", `--timeout=${SETTLE_TIMEOUT_MS / 1000}`];
			await runTool(argv, { timeoutMs: SETTLE_TIMEOUT_MS + 1000, keep: null });
		},
		nodeOwner: (node) => {
			const stat = lstatSync(root + node, { throwIfNoEntry: false });
			return stat ? { uid: stat.uid, mode: stat.mode & 0o7777 } : null;
		},
		giveNode: (node, { uid, mode }) => giveNode(root + node, uid, mode),
	};
}

async function loadModule(name: string, keep: number | null): Promise<void> {
	const modprobe = findTool("modprobe");
	const outcome = modprobe
		? await runTool([modprobe, "--", name], { timeoutMs: MODPROBE_TIMEOUT_MS, keep })
		: ({ kind: "failed", why: "there is no program modprobe (kmod)" } as const);
	if (outcome.kind === "done") return;
	throw new Fault(`The kernel module ${name} cannot be loaded`, {
		why: outcome.kind === "hung" ? `modprobe does not come back (process ${outcome.pid})` : outcome.why,
		fix: `try \`sudo modprobe ${name}\`; the kernel's own messages (dmesg) may tell more`,
	});
}

function giveNode(path: string, uid: number, mode: number): void {
	try {
		if (lstatSync(path).isSymbolicLink()) throw new Error("it is a link");
		// Closed before it changes hands, open only after.
		chmodSync(path, 0o600 & mode);
		chownSync(path, uid, -1);
		chmodSync(path, mode);
	} catch (error) {
		throw new Fault(`${path} cannot be given to user ${uid}`, { why: reason(error), cause: error });
	}
}
