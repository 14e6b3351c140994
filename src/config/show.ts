/** The effective configuration, for `config show`. */
import { printable } from "../errors.ts";
import type { LoadedConfig, Origin } from "./load.ts";
import { CONFIG_ROWS, CONFIG_SECTIONS, type ConfigKeyRow, configValue } from "./schema.ts";
import { tomlComment, tomlValue } from "./toml.ts";

/** Valid TOML that gives the same values when it is loaded; each line ends in a comment that says where it is from. */
export function showConfig(loaded: LoadedConfig): string {
	const width = Math.max(...CONFIG_ROWS.map((row) => assignment(loaded, row).length));
	const sections = CONFIG_SECTIONS.map((section) => {
		const lines = CONFIG_ROWS.filter((row) => row.section === section).map((row) => {
			const comment = tomlComment(describeOrigin(loaded.origins[row.key]));
			return `${assignment(loaded, row).padEnd(width)}  ${comment}`;
		});
		return [`[${section}]`, ...lines].join("\n");
	});
	return `${sections.join("\n\n")}\n`;
}

/** `{ "config": …, "origins": … }`, the former as the type `Config` has it. */
export function showConfigJson(loaded: LoadedConfig): string {
	return `${JSON.stringify({ config: loaded.config, origins: loaded.origins }, null, 2)}\n`;
}

function assignment({ config }: LoadedConfig, row: ConfigKeyRow): string {
	const value = configValue(config, row);
	// TOML has no null.
	return value === null ? `#${row.name} = none` : `${row.name} = ${tomlValue(value)}`;
}

function describeOrigin({ origin, detail }: Origin): string {
	return origin === "default" ? "default" : `${origin} ${printable(detail)}`;
}
