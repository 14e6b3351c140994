/**
 * The `virtualghost` SSH subsystem: one JSON line a request, one a reply, in order, for what SSH has no word for. The first
 * request is a `hello`; where the versions differ nothing else is answered.
 */
import { z } from "zod";

/** Longest accepted line in bytes, both directions. */
export const CONTROL_LINE_BYTES_MAX = 16 * 1024;
/** Smallest and largest screen in pixels, each way; the upper bound is virtio-gpu's. */
export const SCREEN_PIXELS = { min: 64, max: 16_384 } as const;

const pixels = z.number().int().min(SCREEN_PIXELS.min).max(SCREEN_PIXELS.max);
/** Milliseconds since 1970; up to the year 9999. */
const unixMs = z.number().int().min(0).max(253_402_300_799_999);

const screenSchema = z.object({ width: pixels, height: pixels });
export type ScreenSize = z.infer<typeof screenSchema>;

export const controlRequestSchema = z.discriminatedUnion("op", [
	z.object({ op: z.literal("hello"), protocol: z.number().int() }),
	/** How far the session in the window is. */
	z.object({ op: z.literal("state") }),
	z.object({ op: z.literal("set-clock"), unixMs }),
	/** The size of the screen; with `size` it is changed first. */
	z.object({ op: z.literal("screen"), size: screenSchema.optional() }),
	z.object({ op: z.literal("poweroff") }),
]);
export type ControlRequest = z.infer<typeof controlRequestSchema>;

export const controlReplySchema = z.discriminatedUnion("ok", [
	z.object({
		ok: z.literal(true),
		/** hello */
		protocol: z.number().int().optional(),
		version: z.string().max(64).optional(),
		/** state: `starting` until the first prompt, `ended` after the terminal. */
		session: z.enum(["off", "starting", "up", "ended"]).optional(),
		/** set-clock: the guest's clock afterwards. */
		unixMs: unixMs.optional(),
		/** screen */
		screen: screenSchema.optional(),
	}),
	z.object({ ok: z.literal(false), error: z.string().max(4096) }),
]);
export type ControlReply = z.infer<typeof controlReplySchema>;
