/**
 * What the launcher and its root helper say to each other, one JSON line a message from the helper, one word a line to it.
 *
 * `hello` → `start` → `ready` (or `bound`, `failed`) → `release`, or the end of the launcher → `waiting`… → `restored`.
 * Where it is only to give back: `hello` → `start` → `restored`.
 */
import { z } from "zod";
import { isBdf } from "./bdf.ts";

/** The launcher is still there and still wants it: a password may be typed long after it was killed. */
export const START = "start";
/** QEMU is gone, or will be soon. */
export const RELEASE = "release";

/** Longest line in characters, of hundreds of functions with a problem each. */
export const MESSAGE_CHARS_MAX = 1024 * 1024;

const bdf = z.string().refine(isBdf);

const restoredFunction = z.object({
	bdf,
	was: z.string().nullable(),
	now: z.string().nullable(),
	problem: z.string().nullable(),
});

/** Of one card. */
const restoredCard = z.object({
	gpu: bdf,
	functions: z.array(restoredFunction),
	/** What is in the way of the whole card. */
	problem: z.string().nullable(),
	/** Nothing had to be written: the journal was of an earlier start of the kernel. */
	void: z.boolean(),
});

const messageSchema = z.union([
	z.strictObject({ hello: z.object({ protocol: z.literal(1) }) }),
	/** The card is the user's now; the helper waits. */
	z.strictObject({ ready: z.object({ gpu: bdf, node: z.string(), functions: z.array(bdf) }) }),
	/** The card is bound and stays so; what was done, fit to be shown. */
	z.strictObject({ bound: z.object({ gpu: bdf, node: z.string(), did: z.array(z.string()) }) }),
	/** These still have the group's node open. */
	z.strictObject({ waiting: z.array(z.object({ pid: z.number(), name: z.string() })) }),
	z.strictObject({ restored: z.array(restoredCard) }),
	z.strictObject({ failed: z.object({ what: z.string(), why: z.string().optional(), fix: z.string().optional() }) }),
]);

export type Message = z.infer<typeof messageSchema>;
export type RestoredCard = z.infer<typeof restoredCard>;

/** Null for what is no message. */
export function parseMessage(line: string): Message | null {
	try {
		return messageSchema.parse(JSON.parse(line));
	} catch {
		return null;
	}
}
