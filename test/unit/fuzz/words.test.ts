/** What users and their files say: the command line and the configuration file. Any answer is fine but a crash or no end. */
import { expect, spyOn, test } from "bun:test";
import fc from "fast-check";
import { createParser, VERB_NAMES } from "../../../src/cli/parse.ts";
import { exampleConfig } from "../../../src/config/example.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { CONFIG_ROWS } from "../../../src/config/schema.ts";
import { Fault } from "../../../src/errors.ts";
import { effort, ends, FUZZ_TIMEOUT_MS, spoilt } from "./fuzz.ts";

/** What any caller may see: nothing, or one error for the user with a code that is not 0. */
function faultOf(error: unknown): void {
	if (!(error instanceof Fault)) throw error;
	expect(error.exitCode).not.toBe(0);
	expect(error.message.length).toBeGreaterThan(0);
}

const EXAMPLE = exampleConfig();
/** The same with every default switched on. */
const EFFECTIVE = EXAMPLE.replaceAll(/^#(?=\w)/gm, "");

test(
	"a configuration file of any text is read or refused",
	() => {
		const property = fc.property(spoilt([EXAMPLE, EFFECTIVE, "[vm]\nmemory = '8G'\nvcpus = 2\n"]), (bytes) => {
			try {
				loadConfig({
					file: { path: "/etc/c.toml", text: bytes.toString("utf8") },
					env: {},
					flags: {},
					home: "/h",
					cwd: "/w",
				});
			} catch (error) {
				faultOf(error);
			}
		});
		fc.assert(property, effort(400));
	},
	FUZZ_TIMEOUT_MS,
);

test(
	"variables of any name and value are read or refused",
	() => {
		const name = fc.oneof(
			fc.constantFrom(...CONFIG_ROWS.map(({ env }) => env as string)),
			fc.string().map((text) => `VIRTUALGHOST_${text}`),
		);
		const value = fc.oneof(fc.string(), fc.constantFrom("auto", "1G", "-1", "1e400", "true", "0x10", "01:00.0"));
		const property = fc.property(fc.dictionary(name, value), (env) => {
			try {
				loadConfig({ file: null, env, flags: {}, home: "/h", cwd: "/w" });
			} catch (error) {
				faultOf(error);
			}
		});
		fc.assert(property, effort(400));
	},
	FUZZ_TIMEOUT_MS,
);

test(
	"a command line of any words runs one verb, shows help, or is refused",
	async () => {
		const flags = CONFIG_ROWS.map(({ flag }) => `--${flag}`);
		const known = fc.constantFrom(
			...VERB_NAMES,
			...flags,
			...[
				"--",
				"-",
				"-v",
				"--json",
				"--name",
				"--publish",
				"--env",
				"-e",
				"A=b",
				"--no-stdin",
				"--detach",
				"--all",
				"=",
				"",
			],
			...["--constructor", "--__proto__.x", "--no-", "--gpu=", "--_", "--$0", "8080:80", "name:path", "01:00.0"],
		);
		const word = fc.oneof({ weight: 3, arbitrary: known }, { weight: 1, arbitrary: fc.string({ unit: "binary" }) });
		using _quiet = spyOn(console, "log").mockImplementation(() => {});
		const property = fc.asyncProperty(fc.array(word, { maxLength: 8 }), async (argv) => {
			let verbs = 0;
			const parser = createParser(argv, 100, () => {
				verbs++;
				return Promise.resolve();
			});
			try {
				await ends(Promise.resolve(parser.parseAsync()));
			} catch (error) {
				faultOf(error);
			}
			expect(verbs).toBeLessThanOrEqual(1);
			expect(Object.prototype).not.toHaveProperty("x");
		});
		await fc.assert(property, effort(150));
	},
	FUZZ_TIMEOUT_MS,
);
