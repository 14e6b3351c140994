/** What an instance folder holds, and what its record says: the agreement between a running launcher and the other verbs. */
import { z } from "zod";
import type { Control } from "../plan/machine-plan.ts";
import { NAME, NAME_CHARS_MAX } from "./friendly-names.ts";

/** Files of an instance folder. */
export const INSTANCE_FILE = {
	/** `InstanceRecord` as JSON. */
	record: "instance.json",
	/** Locked (flock) as long as the launcher lives. */
	lock: "lock",
	/** The launcher answers here: see command-socket.ts. */
	commands: "ctl",
	/** SMBIOS strings for QEMU to read. */
	hostKeyCredential: "host-key.cred",
	authorizedKeyCredential: "authorized-key.cred",
	hostnameCredential: "hostname.cred",
	hintCredential: "hint.cred",
	/** The key that the guest lets in, OpenSSH format. */
	identity: "id_ed25519",
	/** The guest's host key, for OpenSSH clients. */
	knownHosts: "known_hosts",
	/** What the window shows: see window-file.ts. */
	window: "window",
	/** A picture on its way. */
	screen: "screen",
} as const;

/** In an instance's folder: what QEMU and its helpers see of it, their sockets; keys and the launcher's own socket are not there. */
export const MACHINE_FOLDER = "q";

/** In an instance's folder: sockets of the machine that is made into a snapshot beside it. */
export const MAKER_FOLDER = "s";

const processId = z.object({
	// 0 and 1 are no children of ours, and a negative one is a group.
	pid: z.number().int().min(2),
	startTime: z.string().nullable(),
});

export const instanceRecordSchema = z.object({
	name: z.string().regex(NAME).max(NAME_CHARS_MAX),
	/** Of the launcher. */
	version: z.string(),
	protocol: z.number().int(),
	launcher: processId,
	/** QEMU and its helpers. */
	children: z.array(processId),
	startedAt: z.string(),
	/** `up` when the agent answers. */
	stage: z.enum(["starting", "booting", "up", "stopping"]),
	/** Folder of this run's logs. */
	logs: z.string().nullable(),
	machine: z
		.object({
			accelerator: z.string(),
			gpu: z.string(),
			display: z.string(),
			vcpus: z.number(),
			memoryMiB: z.number(),
			/** As titles and lists show it; records of older versions have none. */
			network: z.string().optional(),
		})
		.nullable(),
	/** The way to the agent; this launcher wrote it, so its kinds are known. */
	control: z.custom<Control>((value) => typeof value === "object" && value !== null && "kind" in value).nullable(),
	/** Forwarded ports: `127.0.0.1:8080 -> 80`. */
	published: z.array(z.string()),
});

export type InstanceRecord = z.infer<typeof instanceRecordSchema>;

/** OpenSSH's name for the guest in its known_hosts file. */
export function hostKeyAlias(name: string): string {
	return `virtualghost-${name}`;
}
