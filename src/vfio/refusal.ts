/** Obstacles as the user reads them, all at once. */
import { Fault } from "../errors.ts";
import type { Bdf } from "./bdf.ts";
import type { Obstacle } from "./obstacle.ts";

/** Null if nothing is in the way. */
export function refusal(gpu: Bdf, obstacles: readonly Obstacle[], force: boolean): Fault | null {
	const blocking = obstacles.filter(({ forceable }) => !(forceable && force));
	if (blocking.length === 0) return null;
	const number = (text: string, i: number) => (blocking.length === 1 ? text : `${i + 1}. ${text}`);
	const fixes = blocking.map(({ fix }, i) => number(fix, i));
	if (blocking.every(({ forceable }) => forceable)) fixes.push("--force goes on in spite of it");
	return new Fault(`The GPU ${gpu} cannot be handed to a virtual machine; nothing was changed`, {
		why: blocking.map(({ text }, i) => number(text, i)).join(INDENT),
		fix: fixes.join(INDENT),
	});
}

/** Below the first line of `why` and `fix` (cli/format-fault.ts). */
export const INDENT = "\n       ";
