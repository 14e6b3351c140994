/**
 * Puts the configuration together: defaults, then the file, then `VIRTUALGHOST_*`, then flags; the later one wins.
 *
 * All problems of all sources are reported in one fault, those of overridden values too: they would come up the day the
 * flag is left out.
 */
import { closest, configFault, type Problem, type ProblemSource } from "./diagnostics.ts";
import { type ConfigFile, readConfigFile } from "./file.ts";
import { describeValue } from "./kinds.ts";
import { expandPath, flavourOf, folderOf } from "./paths.ts";
import {
	CONFIG_ROWS,
	type Config,
	type ConfigKey,
	type ConfigKeyRow,
	type ConfigValue,
	RESERVED_ENV,
} from "./schema.ts";

export interface ConfigSources {
	/** Null where there is no file. */
	readonly file: ConfigFile | null;
	/** The whole environment; only names that start with `VIRTUALGHOST_` are looked at. */
	readonly env: Readonly<Record<string, string | undefined>>;
	/** By flag name without dashes. Absent or undefined: not given. Other names are left to yargs. */
	readonly flags: Readonly<Record<string, unknown>>;
	/** Absolute. Stands for `~`. */
	readonly home: string;
	/** Absolute. Relative paths in variables and flags start here. */
	readonly cwd: string;
}

export interface Origin {
	readonly origin: "default" | "file" | "env" | "flag";
	/** Where in that origin: `path:line:column`, the variable, the flag with its dashes; empty for a default. */
	readonly detail: string;
}

export interface LoadedConfig {
	readonly config: Config;
	readonly origins: Readonly<Record<ConfigKey, Origin>>;
}

/** A value as one source gives it. */
interface Candidate {
	readonly row: ConfigKeyRow;
	readonly value: unknown;
	readonly source: ProblemSource;
	readonly origin: Origin;
	/** Where relative paths start. */
	readonly folder: string;
}

interface Reading {
	readonly candidates: readonly Candidate[];
	readonly problems: readonly Problem[];
}

const ENV_PREFIX = "VIRTUALGHOST_";

export function loadConfig(sources: ConfigSources): LoadedConfig {
	const readings = [readFile(sources), readEnv(sources), readFlags(sources)];
	const problems: Problem[] = [];
	const settled = new Map<ConfigKey, { value: ConfigValue; origin: Origin }>();
	for (const row of CONFIG_ROWS) {
		settled.set(row.key, { value: row.default, origin: { origin: "default", detail: "" } });
	}
	for (const reading of readings) {
		const ofSource = [...reading.problems];
		for (const candidate of reading.candidates) {
			const result = candidate.row.schema.safeParse(candidate.value);
			if (result.success) {
				const value = finish(candidate, result.data, sources);
				settled.set(candidate.row.key, { value, origin: candidate.origin });
			} else {
				// The first issue says it; more on one value would only repeat it.
				const message = result.error.issues[0]?.message ?? `expected ${candidate.row.expected}`;
				ofSource.push({ source: candidate.source, key: keyInMessage(candidate), message });
			}
		}
		problems.push(...ofSource.sort(bySource));
	}
	if (problems.length > 0) throw configFault(problems);
	return assemble(settled);
}

function readFile(sources: ConfigSources): Reading {
	const { file } = sources;
	if (file === null) return { candidates: [], problems: [] };
	const { entries, problems } = readConfigFile(file);
	const folder = folderOf(file.path, sources.cwd);
	const candidates = entries.map(({ row, value, position }): Candidate => {
		const at = position === null ? "" : `:${position.line}:${position.column}`;
		const origin = { origin: "file", detail: `${file.path}${at}` } as const;
		return { row, value, source: { kind: "file", path: file.path, position }, origin, folder };
	});
	return { candidates, problems };
}

function readEnv({ env, cwd }: ConfigSources): Reading {
	const candidates: Candidate[] = [];
	const problems: Problem[] = [];
	// Names of variables have no case on Windows, and arrive in the one they were set in.
	const isCaseless = flavourOf(cwd).sep === "\\";
	for (const [given, text] of Object.entries(env)) {
		const name = isCaseless ? given.toUpperCase() : given;
		// Empty counts as unset: it is how a shell clears a variable for one command.
		if (!name.startsWith(ENV_PREFIX) || text === undefined || text === "" || RESERVED_ENV.includes(name)) continue;
		const source = { kind: "env", name } as const;
		const row = CONFIG_ROWS.find((each) => each.env === name);
		if (row === undefined) {
			const suggestion = closestVariable(name);
			problems.push({ source, key: null, message: "unknown variable", suggestion });
		} else {
			const origin = { origin: "env", detail: name } as const;
			candidates.push({ row, value: row.fromText(text), source, origin, folder: cwd });
		}
	}
	return { candidates, problems };
}

/** The shared prefix must not make everything look alike. */
function closestVariable(name: string): string | undefined {
	const names = [...CONFIG_ROWS.map((row) => row.env), ...RESERVED_ENV].map((each) => each.slice(ENV_PREFIX.length));
	const near = closest(name.slice(ENV_PREFIX.length), names);
	return near === undefined ? undefined : `${ENV_PREFIX}${near}`;
}

function readFlags({ flags, cwd }: ConfigSources): Reading {
	const candidates: Candidate[] = [];
	const problems: Problem[] = [];
	for (const row of CONFIG_ROWS) {
		const given = flags[row.flag];
		if (given === undefined) continue;
		const source = { kind: "flag", flag: row.flag } as const;
		// yargs makes an array of a repeated flag, "" or true of one without a value, and false of --no-<flag>.
		if (row.isList && Array.isArray(given) && given.every((each) => typeof each === "string" && each !== "")) {
			const origin = { origin: "flag", detail: `--${row.flag}` } as const;
			candidates.push({ row, value: given.flatMap((each: string) => row.fromText(each)), source, origin, folder: cwd });
		} else if (Array.isArray(given)) {
			problems.push({ source, key: null, message: "given more than once" });
		} else if (given === "" || typeof given === "boolean") {
			problems.push({ source, key: null, message: `needs a value: ${row.expected}` });
		} else if (typeof given === "string" || Number.isSafeInteger(given)) {
			const origin = { origin: "flag", detail: `--${row.flag}` } as const;
			const value = typeof given === "string" ? row.fromText(given) : given;
			candidates.push({ row, value, source, origin, folder: cwd });
		} else {
			problems.push({ source, key: null, message: `expected ${row.expected}, got ${describeValue(given)}` });
		}
	}
	return { candidates, problems };
}

function finish({ row, folder }: Candidate, value: ConfigValue, { home }: ConfigSources): ConfigValue {
	const isPath = row.isPath && typeof value === "string" && (row.isPathText?.(value) ?? true);
	return isPath ? expandPath(value, { home, folder }) : value;
}

/** A variable or a flag names the key already. */
function keyInMessage({ row, source }: Candidate): string | null {
	return source.kind === "file" ? row.key : null;
}

/** A file from top to bottom; variables and flags by name, since the environment has no order. */
function bySource({ source: a }: Problem, { source: b }: Problem): number {
	if (a.kind === "file" && b.kind === "file") {
		const start = { line: 0, column: 0 };
		const [one, other] = [a.position ?? start, b.position ?? start];
		return one.line - other.line || one.column - other.column;
	}
	const [one, other] = [sourceName(a), sourceName(b)];
	return one < other ? -1 : one > other ? 1 : 0;
}

function sourceName(source: ProblemSource): string {
	return source.kind === "file" ? source.path : source.kind === "env" ? source.name : source.flag;
}

function assemble(settled: ReadonlyMap<ConfigKey, { value: ConfigValue; origin: Origin }>): LoadedConfig {
	const config: Record<string, Record<string, ConfigValue>> = {};
	const origins: Record<string, Origin> = {};
	for (const row of CONFIG_ROWS) {
		const entry = settled.get(row.key);
		if (entry === undefined) throw new Error(`nothing settled ${row.key}`);
		config[row.section] = { ...config[row.section], [row.field]: entry.value };
		origins[row.key] = entry.origin;
	}
	// Every row was validated by its own schema and put under its own field, which is how these types are derived.
	return { config: config as Config, origins: origins as Record<ConfigKey, Origin> };
}
