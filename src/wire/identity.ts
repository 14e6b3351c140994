/**
 * What a machine gets when it is restored from a snapshot, as one JSON line over the events port (host to guest): everything that must not
 * be in a snapshot, or must differ between the machines that come from one. Cold machines get their keys as systemd credentials.
 */
import { z } from "zod";

/** Longest line in bytes. */
export const IDENTITY_LINE_BYTES_MAX = 16 * 1024;
/** Random bytes from the host for the guest's kernel. */
export const ENTROPY_BYTES = 64;

export const identitySchema = z.object({
	/** The agent's SSH host key of this run, OpenSSH private key format. */
	hostKey: z.string().max(4096),
	/** The one public key that may log in. */
	authorizedKey: z.string().max(1024),
	hostname: z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/),
	/** machine-id(5) */
	machineId: z.string().regex(/^[0-9a-f]{32}$/),
	/** The host's clock: milliseconds since 1970. */
	unixMs: z.number().int().nonnegative(),
	/** Base64. */
	entropy: z.string().max(ENTROPY_BYTES * 2),
	/** How the guest draws; `virgl` also loads the driver, which a snapshot for it does without. */
	gpu: z.enum(["none", "software", "virgl"]),
	/** As `GPU_FALLBACK_OPTION`. */
	gpuFallback: z.boolean(),
	/** As `SCALE_OPTION`. */
	scale: z.union([z.literal(1), z.literal(1.5), z.literal(2)]),
	/** The launcher starts the session itself, when its files are in place. */
	sessionLater: z.boolean(),
});

export type Identity = z.infer<typeof identitySchema>;

export function encodeIdentity(identity: Identity): string {
	return `${JSON.stringify(identity)}\n`;
}

/** Null for a line that is none. */
export function decodeIdentity(line: string): Identity | null {
	try {
		return identitySchema.parse(JSON.parse(line));
	} catch {
		return null;
	}
}
