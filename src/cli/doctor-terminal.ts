/** `virtualghost doctor` on the terminal: what it takes over from this host's Ghostty configuration, and what it leaves out. */
import type { Config } from "../config/schema.ts";
import { Fault } from "../errors.ts";
import type { Context } from "./context.ts";
import type { Finding } from "./doctor.ts";
import { findLook } from "./look.ts";

export interface TerminalReport {
	readonly finding: Finding;
	/** One for each line that is left out. */
	readonly lines: readonly string[];
	/** For `--json`. */
	readonly ghostty: {
		readonly files: readonly string[];
		readonly settings: readonly { readonly key: string; readonly value: string }[];
		readonly dropped: readonly { readonly key: string; readonly where: string; readonly why: string }[];
		readonly fonts: readonly { readonly family: string; readonly path: string | null }[];
	} | null;
}

export function explainTerminal(context: Context, config: Config): TerminalReport {
	const topic = "terminal";
	try {
		// The window's, whatever the configuration says about the screen.
		const found = findLook(context, { ...config, gpu: { ...config.gpu, mode: "auto" } });
		if (found === null || (found.files.length === 0 && found.reduced.settings.length === 0)) {
			const text = "the image's own look: there is no Ghostty configuration here, or none is wanted";
			return { finding: { topic, verdict: "ok", text }, lines: [], ghostty: null };
		}
		const { files, reduced, fonts } = found;
		const { settings, dropped } = reduced;
		const source = files.join(", ") || "the configuration of virtualghost";
		const left = dropped.length === 0 ? "" : `; ${dropped.length} lines are left out`;
		return {
			finding: { topic, verdict: "ok", text: `${settings.length} settings from ${source}${left}` },
			lines: linesOf(found),
			ghostty: {
				files,
				settings,
				dropped,
				fonts: [
					...fonts.fonts.map(({ family, path }) => ({ family, path })),
					...fonts.missing.map(({ family }) => ({ family, path: null })),
				],
			},
		};
	} catch (error) {
		if (!(error instanceof Fault)) throw error;
		const why = error.details.why === undefined ? "" : `: ${error.details.why}`;
		return { finding: { topic, verdict: "no", text: `${error.message}${why}` }, lines: [], ghostty: null };
	}
}

function linesOf({ reduced, fonts, notShown }: NonNullable<ReturnType<typeof findLook>>): string[] {
	const line = (verdict: string, text: string) => `${"".padEnd(12)} ${verdict.padEnd(9)} ${text}`;
	return [
		...fonts.fonts.map(({ family, path }) => line("font", `${family}: ${path}`)),
		...fonts.missing.map(({ family, why }) => line("no font", `${family}: ${why}`)),
		...notShown.map((key) => line("not shown", `${key}: the stand-in has no word for it`)),
		...reduced.dropped.map(({ key, where, why }) => line("left out", `${where}: ${key}: ${why}`)),
	];
}
