/** What the root helper can be told: a verb, an address, `--force`. Anything else is refused, whoever says it. */
import { Fault } from "../errors.ts";
import { type Bdf, isBdf } from "./bdf.ts";

/** Name of the hidden verb of our own program. */
export const HELPER_VERB = "gpu-helper";

export type HelperRequest =
	/** Bind, wait for the launcher's word or end, give back. */
	| { readonly verb: "hold"; readonly gpu: Bdf; readonly force: boolean }
	/** Bind, and leave it bound. */
	| { readonly verb: "bind"; readonly gpu: Bdf; readonly force: boolean }
	/** Give back what a journal tells of: of one card, or of all. */
	| { readonly verb: "restore"; readonly gpu: Bdf | null };

/** The words behind `virtualghost`. */
export function helperWords(request: HelperRequest): string[] {
	const { verb, gpu } = request;
	const force = "force" in request && request.force;
	return [HELPER_VERB, verb, ...(gpu === null ? [] : [gpu]), ...(force ? ["--force"] : [])];
}

/** The inverse: null for every list of words that `helperWords` does not make. */
export function parseHelperWords(words: readonly string[]): HelperRequest | null {
	const [program, verb, gpu, flag, ...more] = words;
	if (program !== HELPER_VERB || more.length > 0) return null;
	if (verb === "restore") {
		if (flag !== undefined) return null;
		if (gpu === undefined) return { verb, gpu: null };
		return isBdf(gpu) ? { verb, gpu } : null;
	}
	if (verb !== "hold" && verb !== "bind") return null;
	if (gpu === undefined || !isBdf(gpu)) return null;
	if (flag !== undefined && flag !== "--force") return null;
	return { verb, gpu, force: flag === "--force" };
}

/** `(uid_t) -1` means nobody to the kernel. */
const UID_MAX = 0xffff_fffe;

/** The user who asked: sudo and pkexec tell; without them root itself. @throws Fault for what is no user number */
export function askingUser(env: Readonly<Record<string, string | undefined>>): number {
	const text = env.SUDO_UID ?? env.PKEXEC_UID;
	if (text === undefined) return 0;
	const uid = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
	if (uid <= UID_MAX) return uid;
	throw new Fault("SUDO_UID or PKEXEC_UID is no user number");
}
