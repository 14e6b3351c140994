/** Values and comments in TOML. */
import { printable } from "../errors.ts";
import type { ConfigValue } from "./schema.ts";

export function tomlValue(value: NonNullable<ConfigValue>): string {
	if (Array.isArray(value)) return `[${value.map(tomlValue).join(", ")}]`;
	if (typeof value !== "string") return String(value);
	// A JSON string is a TOML basic string but for DEL, which TOML wants escaped, and lone surrogates, which it can't have.
	return JSON.stringify(value.toWellFormed()).replaceAll("\x7f", "\\u007f");
}

/** One line of comment; control characters, which TOML forbids in comments, are made visible. */
export function tomlComment(text: string): string {
	return `# ${printable(text)}`;
}
