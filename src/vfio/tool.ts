/** Runs a short-lived program for a root step: no shell, a fixed place, a fixed environment, and nobody waits for ever. */
import { existsSync } from "node:fs";

/** What programs run as root find: nothing of the user's. */
export const ROOT_ENVIRONMENT = {
	PATH: "/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin",
	LANG: "C.UTF-8",
} as const;

const ERROR_CHARS_MAX = 2000;

export interface ToolOptions {
	/** Bytes for its standard input. */
	readonly input?: string;
	readonly timeoutMs: number;
	/**
	 * A descriptor that the program inherits: a lock stays held until the program has ended, even if this process is killed meanwhile
	 * and the program is still in the kernel.
	 */
	readonly keep: number | null;
}

export type ToolOutcome =
	| { readonly kind: "done" }
	| { readonly kind: "failed"; readonly why: string }
	/** It still runs, and is left alone: a process inside the kernel cannot be killed. */
	| { readonly kind: "hung"; readonly pid: number };

/** First of the usual places that has the program; null if none does. Never asks PATH. */
export function findTool(name: string): string | null {
	const places = ROOT_ENVIRONMENT.PATH.split(":").map((folder) => `${folder}/${name}`);
	return places.find((path) => existsSync(path)) ?? null;
}

/** Never throws. */
export async function runTool(argv: readonly string[], { input, timeoutMs, keep }: ToolOptions): Promise<ToolOutcome> {
	let timer: ReturnType<typeof setTimeout> | undefined;
	try {
		const child = Bun.spawn([...argv], {
			env: { ...ROOT_ENVIRONMENT },
			cwd: "/",
			stdio: [input === undefined ? "ignore" : Buffer.from(input), "ignore", "pipe", ...(keep === null ? [] : [keep])],
			// In a session of its own: Ctrl+C on the terminal must not cut a step in two.
			detached: true,
		});
		const timeout = new Promise<"hung">((resolve) => {
			timer = setTimeout(() => resolve("hung"), timeoutMs);
		});
		const code = await Promise.race([child.exited, timeout]);
		if (code === "hung") {
			child.unref();
			return { kind: "hung", pid: child.pid };
		}
		if (code === 0) return { kind: "done" };
		const said = (await new Response(child.stderr).text()).trim().slice(0, ERROR_CHARS_MAX);
		return { kind: "failed", why: said || `it ended with code ${code}` };
	} catch (error) {
		return { kind: "failed", why: error instanceof Error ? error.message : String(error) };
	} finally {
		clearTimeout(timer);
	}
}
