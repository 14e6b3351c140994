/** `--on-exit`: what becomes of a work copy's changes without a question. */
import { existsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { EXIT, Fault } from "../errors.ts";

export type OnExit = { readonly kind: "apply" | "discard" } | { readonly kind: "patch"; readonly file: string };

/** @throws Fault for another word, or a patch that could not be written in the end */
export function parseOnExit(text: string): OnExit {
	if (text === "apply" || text === "discard") return { kind: text };
	const usage = (what: string, fix: string) => new Fault(what, { fix, exitCode: EXIT.usage });
	if (!text.startsWith("patch=") || text === "patch=") {
		throw usage(`--on-exit ${JSON.stringify(text)} is none of its words`, "use apply, discard or patch=FILE");
	}
	const file = resolve(text.slice("patch=".length));
	checkPatchFile(file);
	return { kind: "patch", file };
}

/** @throws Fault */
export function checkPatchFile(file: string): void {
	const usage = (what: string, fix: string) => new Fault(what, { fix, exitCode: EXIT.usage });
	if (existsSync(file)) throw usage(`${file} exists`, "name another file for the patch, or remove it first");
	if (!statSync(dirname(file), { throwIfNoEntry: false })?.isDirectory()) {
		throw usage(`There is no folder ${dirname(file)} for the patch`, "make it first");
	}
}
