/** Which links a guest may leave in a folder of the host's: those that cannot lead out of it, whatever is moved around them. Pure. */

const LINK_BYTES_MAX = 4095;

/**
 * Why a link with this target may not be made `depth` folders below the shared one; null if it may. `..` is allowed at the beginning
 * only: behind a name it would depend on where that name leads.
 */
export function linkProblem(target: Uint8Array, depth: number): string | null {
	const bytes = Buffer.from(target);
	if (bytes.length === 0 || bytes.length > LINK_BYTES_MAX || bytes.includes(0)) return "no target of a link";
	if (bytes[0] === 0x2f) return "it leads to an absolute path";
	// Where a folder may be named C: or a path be written with backslashes, a link with them may lead anywhere.
	let up = 0;
	let isNamed = false;
	for (const part of bytes.toString("latin1").split("/")) {
		if (part === "" || part === ".") continue;
		if (part !== "..") isNamed = true;
		else if (isNamed) return "it goes up behind a name";
		else up++;
	}
	return up > depth ? "it leads out of the folder" : null;
}

/** Why a link may not be made on a host of this platform beyond that. */
export function isForeignPath(target: Uint8Array, platform: NodeJS.Platform): boolean {
	return platform === "win32" && /[\\:]/.test(Buffer.from(target).toString("latin1"));
}
