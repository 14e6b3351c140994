/** Reads the text of a configuration file into the values of known keys, each with its place, and the problems. */
import { parse, TomlError } from "smol-toml";
import { closest, type Position, type Problem, quoted } from "./diagnostics.ts";
import { describeValue } from "./kinds.ts";
import { LineIndex, type Locations, locate } from "./locate.ts";
import { CONFIG_ROWS, CONFIG_SECTIONS, type ConfigKey, type ConfigKeyRow } from "./schema.ts";

export interface ConfigFile {
	/** Shown in messages as it is; relative paths in the file start at its folder. */
	readonly path: string;
	readonly text: string;
}

export interface FileEntry {
	readonly row: ConfigKeyRow;
	/** Whole numbers as `number`, or as `bigint` beyond 2^53. */
	readonly value: unknown;
	readonly position: Position | null;
}

export interface FileReading {
	readonly entries: readonly FileEntry[];
	readonly problems: readonly Problem[];
}

/** Bytes of UTF-8. The example file has about 3,000; whatever is larger than this is not a configuration. */
export const FILE_BYTES_MAX = 1024 * 1024;

/** Longer lines than this tell nothing as a code frame. */
const EXCERPT_LINE_CHARS_MAX = 160;

const ROW_BY_KEY = new Map<string, ConfigKeyRow>(CONFIG_ROWS.map((row) => [row.key, row]));

type Table = Readonly<Record<string, unknown>>;

export function readConfigFile(file: ConfigFile): FileReading {
	const problem = (at: Position | null, message: string, excerpt?: string): FileReading => ({
		entries: [],
		problems: [{ source: { kind: "file", path: file.path, position: at }, key: null, message, excerpt }],
	});
	// A byte-order mark would shift the columns of the first line.
	const text = file.text.replace(/^\ufeff/, "");
	const bytes = Buffer.byteLength(text);
	if (bytes > FILE_BYTES_MAX)
		return problem(null, `too large for a configuration: ${bytes} bytes, the limit is ${FILE_BYTES_MAX}`);
	const nul = text.indexOf("\0");
	if (nul !== -1)
		return problem(new LineIndex(text).position(nul), "a NUL byte: this is not a text file, or not in UTF-8");
	try {
		// Big integers keep 8 apart from 8.0.
		const root = parse(text, { integersAsBigInt: true });
		return new Reader(file.path, locate(text)).read(root);
	} catch (error) {
		if (!(error instanceof TomlError)) throw error;
		const isShort = error.codeblock.split("\n").every((line) => line.length <= EXCERPT_LINE_CHARS_MAX);
		return problem(
			{ line: error.line, column: error.column },
			describeSyntaxError(error),
			isShort ? error.codeblock : undefined,
		);
	}
}

function describeSyntaxError(error: TomlError): string {
	const why = error.message.replace("Invalid TOML document: ", "").split("\n")[0] ?? "";
	// What smol-toml says of `memory = 8G` and `vcpus = auto`, the likeliest mistakes of all.
	const isBareText = why === "invalid value" || why === "illegal character in numeric literal";
	const hint = isBareText ? ' (text needs quotes: "8G", "auto")' : "";
	return `not valid TOML: ${why}${hint}; nothing else in this file was checked`;
}

class Reader {
	readonly #entries: FileEntry[] = [];
	readonly #problems: Problem[] = [];

	constructor(
		private readonly path: string,
		private readonly locations: Locations,
	) {}

	read(root: Table): FileReading {
		for (const [section, value] of Object.entries(root)) {
			if (!CONFIG_SECTIONS.includes(section)) this.#addUnknownSection(section, value);
			else if (isTable(value)) this.#readSection(section, value);
			else this.#addNotASection(section, value);
		}
		return { entries: this.#entries, problems: this.#problems };
	}

	#readSection(section: string, table: Table): void {
		for (const [name, raw] of Object.entries(table)) {
			const path = [section, name];
			const key = path.join(".");
			const row = ROW_BY_KEY.get(key);
			if (row === undefined) {
				this.#add(path, this.locations.find(path)?.key, "unknown key", suggestKey(section, name));
				continue;
			}
			const position = this.locations.find(path)?.value ?? null;
			// No key takes a fraction, and past this point 8.0 would look like 8.
			if (typeof raw === "number")
				this.#add(path, position, `expected ${row.expected}, got the float ${showFloat(raw)}`);
			else this.#entries.push({ row, value: narrowInteger(raw), position });
		}
	}

	#addUnknownSection(name: string, value: unknown): void {
		const path = [name];
		const at = this.locations.find(path)?.key;
		if (isTable(value)) {
			const near = closest(name, CONFIG_SECTIONS);
			this.#add(path, at, "unknown section", near === undefined ? undefined : `[${near}]`);
			return;
		}
		const [section = "", ...rest] = name.split(".");
		// `"vm.memory" = …`: the quotes make one key of it.
		const dotted = ROW_BY_KEY.has(name) ? name : suggestKey(section, rest.join("."));
		this.#add(path, at, "unknown key outside any section", dotted ?? suggestKey("", name));
	}

	#addNotASection(section: string, value: unknown): void {
		const isArrayOfTables = Array.isArray(value) && isTable(value[0]);
		const got = isArrayOfTables ? `[[${section}]]` : describeValue(value);
		const at = this.locations.find([section])?.value;
		this.#add([section], at, `expected a section, written [${section}] on a line of its own, got ${got}`);
	}

	#add(path: readonly string[], position: Position | null | undefined, message: string, suggestion?: string): void {
		this.#problems.push({
			source: { kind: "file", path: this.path, position: position ?? null },
			key: path.map(showKeyPart).join("."),
			message,
			suggestion,
		});
	}
}

/** A known key that is near in writing, or the same key of another section. */
export function suggestKey(section: string, name: string): ConfigKey | undefined {
	const inSection = CONFIG_ROWS.filter((row) => row.section === section);
	const near = closest(
		name,
		inSection.map((row) => row.name),
	);
	const found =
		inSection.find((row) => row.name === near) ??
		CONFIG_ROWS.find((row) => row.name === name) ??
		CONFIG_ROWS.find((row) => row.flag === name.replaceAll("_", "-"));
	if (found !== undefined) return found.key;
	const full = closest(
		`${section}.${name}`,
		CONFIG_ROWS.map((row) => row.key),
	);
	return full === undefined ? undefined : ROW_BY_KEY.get(full)?.key;
}

function isTable(value: unknown): value is Table {
	return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function narrowInteger(value: unknown): unknown {
	if (typeof value !== "bigint") return value;
	const narrow = Number(value);
	return Number.isSafeInteger(narrow) ? narrow : value;
}

function showFloat(value: number): string {
	return Number.isInteger(value) ? value.toFixed(1) : String(value);
}

function showKeyPart(name: string): string {
	return /^[\w-]{1,60}$/.test(name) ? name : quoted(name);
}
