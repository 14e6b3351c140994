/** The commented example file, made from the rows. */
import { CONFIG_ROWS, CONFIG_SECTIONS, type ConfigKeyRow, describeDefault } from "./schema.ts";
import { tomlComment, tomlValue } from "./toml.ts";

const HEAD = [
	"VirtualGhost configuration",
	"",
	"Everything is optional. Lines that begin with # and no space are the defaults: remove the # and change the value.",
	"Flags win over variables of the environment, and those over this file.",
];

/** Every key is commented out: `#key = default`, or `# key = …` as a mere example where the default is none. */
export function exampleConfig(): string {
	const head = HEAD.map((line) => `# ${line}`.trimEnd());
	const sections = CONFIG_SECTIONS.flatMap((section) => {
		const rows = CONFIG_ROWS.filter((row) => row.section === section);
		return ["", `[${section}]`, ...rows.flatMap((row, index) => (index === 0 ? [] : [""]).concat(describeRow(row)))];
	});
	return `${[...head, ...sections].join("\n")}\n`;
}

function describeRow(row: ConfigKeyRow): string[] {
	const lines = [row.doc, ...(row.detail === undefined ? [] : [row.detail])];
	if (row.choices !== null) lines.push(`One of: ${row.choices.join(", ")}`);
	lines.push(`Default: ${describeDefault(row)}`, `Also: ${row.env}, --${row.flag}`);
	const comments = lines.map(tomlComment);
	if (row.default !== null) return [...comments, `#${row.name} = ${tomlValue(row.default)}`];
	return row.example === undefined ? comments : [...comments, tomlComment(`${row.name} = ${row.example}`)];
}
