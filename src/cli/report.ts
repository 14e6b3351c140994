/** What the user sees on stderr while a machine starts: stages with their seconds, a progress bar, warnings. */
import type { Context } from "./context.ts";
import { printError } from "./output.ts";
import { stripControls } from "./terminal-text.ts";

export interface ReportOptions {
	/** Stages and bars are for people: they are shown on a terminal only. */
	readonly isTTY: boolean;
	/** `-v`: decisions too, and stages even without a terminal. */
	readonly verbose: boolean;
	/** Width of the terminal; a bar that is broken into two lines would not replace itself. */
	readonly columns?: number | undefined;
	readonly write: (text: string) => void;
}

const BAR_CELLS = 24;
/** Of a terminal that does not tell its width. */
const COLUMNS = 80;
const MIB = 1024 * 1024;

export class Report {
	readonly #options: ReportOptions;
	readonly #started = performance.now();
	#barShown = false;

	constructor(options: ReportOptions) {
		this.#options = options;
	}

	/** A step of the start, with the seconds since the program began. */
	stage(text: string): void {
		if (!this.#options.isTTY && !this.#options.verbose) return;
		this.#line(`${this.#seconds()}  ${text}`);
	}

	/** Only with `-v`. */
	detail(text: string): void {
		if (this.#options.verbose) this.#line(`${" ".repeat(this.#seconds().length)}  ${text}`);
	}

	/** Always shown. */
	warn(text: string): void {
		this.#line(`virtualghost: warning: ${text}`);
	}

	/** A bar that replaces itself; ends with `done === total`. */
	progress(what: string, done: number, total: number): void {
		if (!this.#options.isTTY) return;
		if (done >= total) {
			if (this.#barShown) this.#clearBar();
			return;
		}
		const filled = Math.round((done / total) * BAR_CELLS);
		const bar = "█".repeat(filled) + "░".repeat(BAR_CELLS - filled);
		const amount = `${Math.round(done / MIB)}/${Math.round(total / MIB)} MiB`;
		this.#replaceLine(`${bar} ${amount} ${what}`);
	}

	/** As `progress`, where nobody knows the total. Ends with the next line, or `endProgress`. */
	progressWithoutTotal(what: string, done: number): void {
		if (this.#options.isTTY) this.#replaceLine(`${Math.round(done / MIB)} MiB ${what}`);
	}

	/** Takes away a bar that has not come to its end. */
	endProgress(): void {
		if (this.#barShown) this.#clearBar();
	}

	#line(text: string): void {
		if (this.#barShown) this.#clearBar();
		this.#options.write(`${stripControls(text)}\n`);
	}

	/** File names come from the guest: they must not be able to control the terminal. */
	#replaceLine(text: string): void {
		const line = `${this.#seconds()}  ${stripControls(text).replaceAll("\n", " ")}`;
		this.#options.write(`\r\x1b[K${line.slice(0, (this.#options.columns ?? COLUMNS) - 1)}`);
		this.#barShown = true;
	}

	#clearBar(): void {
		this.#options.write("\r\x1b[K");
		this.#barShown = false;
	}

	#seconds(): string {
		return `${((performance.now() - this.#started) / 1000).toFixed(1).padStart(5)} s`;
	}
}

/** The report of a verb, on stderr. */
export function createReport(context: Context): Report {
	return new Report({
		isTTY: process.stderr.isTTY === true,
		verbose: context.verbose,
		columns: process.stderr.columns,
		write: printError,
	});
}
