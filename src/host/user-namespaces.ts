/** Ubuntu's rule that only programs with an AppArmor profile of their own make user namespaces. */
import { readFileSync } from "node:fs";

const RESTRICTION = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";

/** A distribution's bubblewrap and passt may do what our own copies of them may not: profiles name them by these paths. */
export const PRIVILEGED_PATH = { bwrap: "/usr/bin/bwrap", passt: "/usr/bin/passt" } as const;

export function areNamespacesRestricted(): boolean {
	if (process.platform !== "linux" || process.getuid?.() === 0) return false;
	try {
		return readFileSync(RESTRICTION, "utf8").trim() === "1";
	} catch {
		return false;
	}
}
