/**
 * What a work copy has changed, as one stream from the guest: a header line, then a JSON line an entry, a file's line followed by exactly
 * as many bytes as it says, then a line with their number. Folders come before what is in them. Paths and targets are bytes, written as
 * Latin-1 text. The guest is not trusted: the host reads the lines with these schemas, and `files/work/` judges the paths.
 */
import { z } from "zod";

/** First line. Another version is refused. */
export const WORK_HEADER = '{"virtualghost-work":1}';
/** Longest line in bytes: a path and a target, each escaped. */
export const WORK_LINE_BYTES_MAX = 64 * 1024;
/** More files than any project has. */
export const WORK_ENTRIES_MAX = 1_000_000;

const bytes = (max: number) =>
	z
		.string()
		.min(1)
		.max(max)
		.regex(/^[^\u0100-\uffff]*$/);
const path = bytes(4095);
/** Permission bits, setuid and the like included: they are refused later, with a word to the user. */
const mode = z.number().int().min(0).max(0o7777);

export const workEntrySchema = z.discriminatedUnion("type", [
	/** A folder that is new, or in which something is. */
	z.strictObject({ type: z.literal("folder"), path, mode }),
	z.strictObject({
		type: z.literal("file"),
		path,
		mode,
		size: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
		/** Milliseconds since 1970. */
		mtime: z.number().min(-8.64e15).max(8.64e15),
	}),
	z.strictObject({ type: z.literal("link"), path, target: bytes(4095) }),
	/** What was in the folder and is not any more; a folder with all that is in it. Before what has taken its place. */
	z.strictObject({ type: z.literal("gone"), path }),
	/** The guest cannot send it: a device, a file that changed while it was read. */
	z.strictObject({ type: z.literal("refused"), path, why: z.string().max(200) }),
	z.strictObject({ type: z.literal("end"), entries: z.number().int().min(0).max(WORK_ENTRIES_MAX) }),
]);

export type WorkEntry = z.infer<typeof workEntrySchema>;

/** The entry in a line. @throws ZodError, SyntaxError */
export function decodeWorkEntry(line: string): WorkEntry {
	return workEntrySchema.parse(JSON.parse(line));
}

export function encodeWorkEntry(entry: WorkEntry): string {
	return `${JSON.stringify(entry)}\n`;
}
