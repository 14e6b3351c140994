/** The kinds of value a key can have. A kind is all that `schema.ts` would otherwise repeat in each row. */
import { z } from "zod";
import { reason } from "../errors.ts";
import { isLoopback, parseRule } from "../filter/rules.ts";
import { closest, quoted } from "./diagnostics.ts";
import { parseDiskSpec } from "./disk-spec.ts";
import { type PciAddress, parsePciAddress } from "./pci-address.ts";
import { formatMemoryMiB, parseMemoryMiB } from "./size.ts";

export interface ValueKind<T> {
	/** TOML type, for the docs. */
	readonly type: string;
	/** Stands for the value in `--help`: `--memory <size>`. */
	readonly placeholder: string;
	/** The words allowed, where they are all there is. */
	readonly choices: readonly string[] | null;
	/** The value is a path that `load.ts` makes absolute. */
	readonly isPath: boolean;
	/** Where only some of the values are paths: which. */
	readonly isPathText?: (text: string) => boolean;
	/** The value is an array; its flag may be given more than once. */
	readonly isList?: boolean;
	/** Completes "expected …". */
	readonly expected: string;
	/** Takes a TOML value: whole numbers as `number`, or as `bigint` beyond 2^53; floats never arrive here. */
	readonly schema: z.ZodType<T>;
	/** What the text of a variable or flag would be in TOML. Text that has no such form stays text. */
	readonly fromText: (text: string) => unknown;
}

/** The value in words, for "expected …, got …". */
export function describeValue(value: unknown): string {
	if (typeof value === "string") return quoted(value);
	if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return String(value);
	if (value === null) return "null";
	if (Array.isArray(value)) return "an array";
	if (value instanceof Date) return "a date";
	return "a table";
}

const WHOLE_NUMBER = /^[+-]?\d{1,20}$/;

function wholeFromText(text: string): unknown {
	const trimmed = text.trim();
	if (!WHOLE_NUMBER.test(trimmed)) return text;
	const whole = Number(trimmed);
	return Number.isSafeInteger(whole) ? whole : BigInt(trimmed);
}

interface Range {
	readonly min: number;
	readonly max: number;
	/** Plural, for messages: `seconds`. */
	readonly unit?: string;
	readonly placeholder: string;
}

export function integer(range: Range): ValueKind<number> {
	const expected = expectedInteger(range);
	return {
		type: "integer",
		placeholder: range.placeholder,
		choices: null,
		isPath: false,
		expected,
		schema: wholeSchema(range, expected),
		fromText: wholeFromText,
	};
}

export function integerOrAuto(range: Range): ValueKind<number | "auto"> {
	const expected = `${expectedInteger(range)}, or "auto"`;
	return {
		...integer(range),
		type: 'integer or "auto"',
		expected,
		schema: z.union([z.literal("auto"), wholeSchema(range, expected)], {
			error: (issue) => explainInteger(issue.input, range, expected),
		}),
	};
}

function expectedInteger({ min, max, unit }: Range): string {
	return `a whole number${unit === undefined ? "" : ` of ${unit}`} from ${min} to ${max}`;
}

function wholeSchema(range: Range, expected: string): z.ZodType<number> {
	const error = (issue: { input?: unknown }) => explainInteger(issue.input, range, expected);
	return z.int({ error }).min(range.min, { error }).max(range.max, { error });
}

function explainInteger(value: unknown, range: Range, expected: string): string {
	if (typeof value !== "string") return `expected ${expected}, got ${describeValue(value)}`;
	const meant = wholeFromText(value);
	// Only a file can hold digits as a string: those of variables and flags were read as a number.
	if (typeof meant === "number" && meant >= range.min && meant <= range.max)
		return `expected ${expected}, got the string ${quoted(value)}; remove the quotes`;
	return `expected ${expected}, got ${quoted(value)}`;
}

/** A size in MiB within the bounds, or `"auto"`. */
export function memory(minMiB: number, maxMiB: number): ValueKind<number> {
	const expected = 'a size such as "8G", or a whole number of MiB';
	return {
		type: "string with a size, or integer in MiB",
		placeholder: "size",
		choices: null,
		isPath: false,
		expected,
		schema: z
			.union([z.string(), z.int()], { error: (issue) => `expected ${expected}, got ${describeValue(issue.input)}` })
			.transform((value, context): number => {
				try {
					return withinMemoryBounds(parseMemoryMiB(value), minMiB, maxMiB);
				} catch (error) {
					context.addIssue({ code: "custom", message: reason(error) });
					return z.NEVER;
				}
			}),
		fromText: (text) => text,
	};
}

export function memoryOrAuto(minMiB: number, maxMiB: number): ValueKind<number | "auto"> {
	const expected = 'a size such as "8G", a whole number of MiB, or "auto"';
	return {
		type: 'string with a size, integer in MiB, or "auto"',
		placeholder: "size",
		choices: null,
		isPath: false,
		expected,
		schema: z
			.union([z.string(), z.int()], { error: (issue) => `expected ${expected}, got ${describeValue(issue.input)}` })
			.transform((value, context): number | "auto" => {
				if (value === "auto") return value;
				const sized = memory(minMiB, maxMiB).schema.safeParse(value);
				if (sized.success) return sized.data;
				context.addIssue({ code: "custom", message: sized.error.issues[0]?.message ?? expected });
				return z.NEVER;
			}),
		fromText: (text) => text,
	};
}

function withinMemoryBounds(sizeMiB: number, minMiB: number, maxMiB: number): number {
	const least = formatMemoryMiB(minMiB);
	if (sizeMiB < minMiB) {
		// `memory = 8` is the likeliest way to get here.
		const unit = sizeMiB > 0 && sizeMiB <= 64 ? `; for ${sizeMiB} GiB write ${sizeMiB}G` : "";
		throw new Error(`${sizeMiB} MiB is less than the minimum of ${least}${unit}`);
	}
	if (sizeMiB > maxMiB) throw new Error(`${sizeMiB} MiB is more than the maximum of ${formatMemoryMiB(maxMiB)}`);
	return sizeMiB;
}

export function boolean(): ValueKind<boolean> {
	const expected = "true or false";
	return {
		type: "boolean",
		placeholder: "true|false",
		choices: ["true", "false"],
		isPath: false,
		expected,
		schema: z.boolean({ error: (issue) => `expected ${expected}, got ${describeValue(issue.input)}` }),
		fromText: (text) => (text === "true" ? true : text === "false" ? false : text),
	};
}

export function path(): ValueKind<string> {
	const expected = "a path as a string";
	return {
		type: "string with a path",
		placeholder: "path",
		choices: null,
		isPath: true,
		expected,
		schema: z
			.string({ error: (issue) => `expected ${expected}, got ${describeValue(issue.input)}` })
			.min(1, { error: "the path is empty", abort: true })
			.refine((value) => !value.includes("\0"), { error: "the path has a NUL character in it" }),
		fromText: (text) => text,
	};
}

/** `NAME[:SIZE]`; stays the text that was written, see `parseDiskSpec`. */
export function disk(): ValueKind<string> {
	const expected = "the name of a disk, with :SIZE for a new one";
	return {
		type: "string",
		placeholder: "name[:size]",
		choices: null,
		isPath: false,
		expected,
		schema: z
			.string({ error: (issue) => `expected ${expected}, got ${describeValue(issue.input)}` })
			.superRefine((text, context) => {
				try {
					parseDiskSpec(text);
				} catch (error) {
					context.addIssue({ code: "custom", message: reason(error) });
				}
			}),
		fromText: (text) => text,
	};
}

/** One of a few words, else a path. */
export function wordOrPath(words: readonly string[]): ValueKind<string> {
	return {
		...path(),
		type: "string with a word or a path",
		placeholder: `${words.join("|")}|path`,
		expected: `${words.join(", ")}, or a path as a string`,
		isPathText: (text) => !words.includes(text),
	};
}

/** A name, or a path: what has a folder in it. */
export function nameOrPath(): ValueKind<string> {
	return {
		...path(),
		type: "string with a name or a path",
		placeholder: "name|path",
		expected: "a name, or a path as a string",
		isPathText: (text) => /^~|[/\\]/.test(text) && !/^\s*(light|dark)\s*:/.test(text),
	};
}

/** One of a few words, or the address of a PCI function. */
export function choiceOrPciAddress<const T extends string>(choices: readonly [T, ...T[]]): ValueKind<T | PciAddress> {
	const expected = `one of ${choices.join(", ")}, or a PCI address such as 01:00.0`;
	const word = choice(choices);
	return {
		...word,
		placeholder: `${choices.join("|")}|address`,
		// The addresses of this host are no choices of the configuration's.
		expected,
		schema: z
			.string({ error: (issue) => `expected ${expected}, got ${describeValue(issue.input)}` })
			.transform((text, context) => {
				const address = parsePciAddress(text);
				if (address !== null) return address;
				const judged = word.schema.safeParse(text);
				if (judged.success) return judged.data;
				const near = closest(text, choices);
				const hint = near === undefined ? "" : ` (did you mean "${near}"?)`;
				context.addIssue({ code: "custom", message: `expected ${expected}, got ${describeValue(text)}${hint}` });
				return z.NEVER;
			}),
	};
}

export function choice<const T extends string>(choices: readonly [T, ...T[]]): ValueKind<T> {
	const expected = `one of ${choices.join(", ")}`;
	return {
		type: "string",
		placeholder: choices.join("|"),
		choices,
		isPath: false,
		expected,
		schema: z.enum(choices, {
			error: (issue) => {
				const near = typeof issue.input === "string" ? closest(issue.input, choices) : undefined;
				const hint = near === undefined ? "" : ` (did you mean "${near}"?)`;
				return `expected ${expected}, got ${describeValue(issue.input)}${hint}`;
			},
		}),
		fromText: (text) => text,
	};
}

/** Hosts for `--allow` and `--deny`. They stay text: names are looked up when a machine starts. */
export function networkRules(): ValueKind<readonly string[]> {
	const expected = 'hosts such as "192.168.1.10:445", "10.0.0.0/8", "[fd00::1]:22" or "nas.local"';
	return {
		type: "array of strings",
		placeholder: "host[:port]",
		choices: null,
		isPath: false,
		isList: true,
		expected,
		schema: z.array(
			z
				.string({ error: (issue) => `expected ${expected}, got ${describeValue(issue.input)}` })
				.superRefine((text, context) => {
					const problem = problemOfRule(text);
					if (problem !== null) context.addIssue({ code: "custom", message: problem });
				}),
			{ error: (issue) => `expected an array of ${expected}, got ${describeValue(issue.input)}` },
		),
		fromText: (text) => text.split(",").map((each) => each.trim()),
	};
}

function problemOfRule(text: string): string | null {
	const rule = parseRule(text);
	if (rule === null) return `expected HOST, HOST:PORT, ADDRESS/BITS or [IPv6]:PORT, got ${quoted(text)}`;
	if (typeof rule.host === "string" || !isLoopback(rule.host) || isLoopbackItself(rule.host.bytes)) return null;
	return `of the host's loopback only 127.0.0.1 and [::1] can be named, got ${quoted(text)}`;
}

function isLoopbackItself(bytes: Uint8Array): boolean {
	return bytes.at(-1) === 1 && (bytes.length === 16 || bytes[1] === 0);
}
