/** What an event line of the guest's may be. The guest is not trusted: the host parses its lines with this. */
import { z } from "zod";
import { GRAPHICS_TEXT_MAX, SESSION_LOG_TAIL_BYTES } from "./events.ts";

export const guestEventSchema = z.discriminatedUnion("event", [
	/** The initramfs runs: the kernel has booted. */
	z.object({ event: z.literal("initramfs") }),
	/** Ready to be made into a snapshot, or to be told who it is: see identity.ts. */
	z.object({ event: z.literal("waiting"), protocol: z.number().int() }),
	/** The agent listens on its vsock port; counts as its first heartbeat. */
	z.object({ event: z.literal("agent"), protocol: z.number().int(), version: z.string().max(64) }),
	/** Every `HEARTBEAT_MS`, from then on: src/vm/guest-guard.ts */
	z.object({ event: z.literal("alive") }),
	/** What a client of the session's compositor gets, where a GPU draws. */
	z.object({
		event: z.literal("graphics"),
		/** OpenGL's own words: "4.3 (Core Profile) Mesa 25.0.7". Empty where a client got no OpenGL at all. */
		version: z.string().max(GRAPHICS_TEXT_MAX),
		renderer: z.string().max(GRAPHICS_TEXT_MAX),
		/** Why the session runs without the GPU; null where it draws. */
		steppedDown: z.string().max(GRAPHICS_TEXT_MAX).nullable(),
	}),
	/** The terminal shows its first prompt. */
	z.object({ event: z.literal("terminal-up") }),
	/** The session's unit has ended; the guest is about to power off. */
	z.object({
		event: z.literal("session-ended"),
		/** systemd's $SERVICE_RESULT: success, exit-code, signal, core-dump, … */
		result: z.string().max(64),
		/** Exit status or signal name. */
		status: z.string().max(64),
		terminalWasUp: z.boolean(),
		log: z.string().max(SESSION_LOG_TAIL_BYTES),
	}),
]);

export type GuestEvent = z.infer<typeof guestEventSchema>;

/** The event in a line, or null where the line is not one (a guest may write anything). */
export function decodeEvent(line: string): GuestEvent | null {
	try {
		return guestEventSchema.parse(JSON.parse(line));
	} catch {
		return null;
	}
}
