/** The `virtualghost` SSH subsystem: one JSON line a request, one a reply, for what SSH has no word for. */
import { z } from "zod";

export const CONTROL_SUBSYSTEM = "virtualghost";
/** Longest accepted line in bytes, both directions. */
export const CONTROL_LINE_BYTES_MAX = 16 * 1024;

export const controlRequestSchema = z.discriminatedUnion("op", [
	z.object({ op: z.literal("hello"), protocol: z.number().int() }),
	z.object({ op: z.literal("poweroff") }),
]);
export type ControlRequest = z.infer<typeof controlRequestSchema>;

export const controlReplySchema = z.discriminatedUnion("ok", [
	z.object({ ok: z.literal(true), protocol: z.number().int().optional(), version: z.string().optional() }),
	z.object({ ok: z.literal(false), error: z.string() }),
]);
export type ControlReply = z.infer<typeof controlReplySchema>;
