/** The making of a snapshot in the background of a run. */
import { reason } from "../errors.ts";
import { findFitting, makeSnapshot, type WarmRequest, whyNotNow } from "../vm/snapshot/warm.ts";
import type { Report } from "./report.ts";

/** After the first prompt: the user's first commands come before our convenience. */
const PATIENCE_MS = 10_000;

/** Ends when the run does; never disturbs it: whatever goes wrong is a line with `-v`. */
export function makeInBackground(request: WarmRequest, report: Report): AsyncDisposable {
	const abort = new AbortController();
	const signal = AbortSignal.any([abort.signal, request.signal]);
	const done = make({ ...request, signal }, report).catch((error: unknown) => {
		if (!signal.aborted) report.detail(`snapshot: not made (${reason(error)})`);
	});
	return {
		[Symbol.asyncDispose]: async () => {
			abort.abort(new Error("the run has ended"));
			await done;
		},
	};
}

async function make(request: WarmRequest, report: Report): Promise<void> {
	await new Promise<void>((resolve) => {
		const timer = setTimeout(resolve, PATIENCE_MS);
		request.signal.addEventListener("abort", () => {
			clearTimeout(timer);
			resolve();
		});
	});
	request.signal.throwIfAborted();
	const fitting = findFitting(request);
	const why = "why" in fitting ? fitting.why : whyNotNow(fitting, request);
	if ("why" in fitting || why !== null) return report.detail(`snapshot: not made (${why})`);
	if (await makeSnapshot(request, fitting)) report.detail("snapshot: made; the next start takes it");
}
