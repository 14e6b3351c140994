/**
 * The lines that the guest sends over the events port. What the host makes of them is in event-schema.ts: the agent, whose start is
 * part of every boot, does without the schema's library.
 */
import type { GuestEvent } from "./event-schema.ts";
import { PROTOCOL_VERSION } from "./names.ts";

export type { GuestEvent };

/** Longest accepted line in bytes; a session log's tail is the largest thing in one. */
export const EVENT_LINE_BYTES_MAX = 64 * 1024;
/** The guest sends at most this much of the session's log. */
export const SESSION_LOG_TAIL_BYTES = 8 * 1024;

/** How often the agent says that it lives. */
export const HEARTBEAT_MS = 5_000;

/** Longest version, renderer or reason in characters. */
export const GRAPHICS_TEXT_MAX = 256;

/** A line as it goes over the wire, newline included. */
export function encodeEvent(event: GuestEvent): string {
	return `${JSON.stringify(event)}\n`;
}

/** What the agent says first about itself. */
export function agentEvent(version: string): GuestEvent {
	return { event: "agent", protocol: PROTOCOL_VERSION, version };
}
