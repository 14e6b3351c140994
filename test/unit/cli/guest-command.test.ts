/** The command line of `exec` and `run -- CMD`, with a real bash in place of the guest's. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { asLauncher, type CommandFlags, guestCommandLine } from "../../../src/cli/guest-command.ts";
import { EXIT, Fault } from "../../../src/errors.ts";
import { faultOf } from "../fault-of.ts";

let folder: string;
beforeAll(() => {
	folder = realpathSync(mkdtempSync(join(tmpdir(), "vg-guest-command-")));
});
afterAll(() => rmSync(folder, { recursive: true }));

function line(flags: Partial<CommandFlags>, env: Record<string, string> = {}): string {
	const rest = { command: ["true"], env: [], workdir: undefined, root: false, tty: false, stdin: false };
	return guestCommandLine({ ...rest, ...flags }, env);
}

function bash(command: string) {
	const { status, stdout, stderr } = spawnSync("/bin/bash", ["-c", command], {
		cwd: folder,
		env: { PATH: "/usr/bin:/bin", LANG: "C.UTF-8" },
	});
	return { status, stdout: stdout.toString(), stderr: stderr.toString() };
}

/** A program that prints its arguments, each with a NUL behind it. */
const SHOW = ["/bin/bash", "-c", "printf '%s\\0' \"$@\"", "show"];
const showVariables = (names: readonly string[]) => [
	"/bin/bash",
	"-c",
	`printf '%s\\0' ${names.map((name) => `"$${name}"`).join(" ")}`,
];

const anyText = fc
	.oneof(fc.string({ unit: "binary" }), fc.string({ unit: fc.constantFrom(..."'\"\\$`=\n !~#") }))
	.map((text) => text.replaceAll("\0", ""));

describe("variables", () => {
	test("any value arrives, and the command's words with it", () => {
		const variables = fc.dictionary(fc.stringMatching(/^VG_[A-Za-z0-9_]{1,8}$/), anyText, { minKeys: 1, maxKeys: 8 });
		fc.assert(
			fc.property(variables, fc.array(anyText, { maxLength: 4 }), (values, words) => {
				const env = Object.entries(values).map(([name, value]) => `${name}=${value}`);
				const seen = bash(line({ env, command: showVariables(Object.keys(values)) }));
				expect(seen).toEqual({
					status: 0,
					stderr: "",
					stdout: Object.values(values)
						.map((value) => `${value}\0`)
						.join(""),
				});
				const shown = words.length > 0 ? words.map((word) => `${word}\0`).join("") : "\0";
				expect(bash(line({ env, command: [...SHOW, ...words] })).stdout).toBe(shown);
			}),
			{ numRuns: 30 },
		);
	});

	test("the first equals sign ends the name", () => {
		expect(line({ env: ["A=b=c=", "B="] })).toBe("export A=b=c=; export B=''; exec -- true");
	});

	test("a name alone takes the launcher's value, and nothing where it has none", () => {
		expect(line({ env: ["HERE", "GONE"] }, { HERE: "a b", OTHER: "x" })).toBe("export HERE='a b'; exec -- true");
		expect(line({ env: ["EMPTY"] }, { EMPTY: "" })).toBe("export EMPTY=''; exec -- true");
	});

	test("the last of one name wins", () => {
		expect(bash(line({ env: ["VG_A=1", "VG_A=2"], command: showVariables(["VG_A"]) })).stdout).toBe("2\0");
	});

	test.each(["", "=x", "1A=x", "A-B=x", "A B=x", "A;id=x", "$(id)=x", "A\n=x", "Ü=x", " A=x", "A+=x"])(
		"%j is no variable",
		(each) => {
			const fault = faultOf(() => line({ env: [each] }, { [each]: "x" }));
			expect(fault.message).toBe(`"${each}" is no variable`);
			expect(fault.exitCode).toBe(EXIT.usage);
		},
	);

	test("no name gets anything but an assignment into the line", () => {
		fc.assert(
			fc.property(fc.string({ unit: "binary" }), (text) => {
				let made: string;
				try {
					made = line({ env: [`${text.replaceAll("\0", "")}=x`] });
				} catch (error) {
					expect(error).toBeInstanceOf(Fault);
					return;
				}
				expect(made).toMatch(/^export [A-Za-z_][A-Za-z0-9_]*=/);
			}),
		);
	});

	test("a NUL, which no system hands over, is refused", () => {
		expect(() => line({ command: ["a\0"] })).toThrow(RangeError);
		expect(() => line({ env: ["A=\0"] })).toThrow(RangeError);
	});

	test("a name that every JavaScript object has is not in the environment", () => {
		expect(line({ env: ["toString", "constructor"] })).toBe("exec -- true");
	});
});

describe("the working folder", () => {
	const PWD = ["/bin/pwd"];

	test.each([
		"a b",
		"it's",
		"-n",
		"--",
		"--help",
		"~",
		"*",
		"$(touch evil)",
		"`id`",
		"new\nline",
		"ü👻",
		"\x01\x7f",
		"\\",
	])("%j", (name) => {
		mkdirSync(join(folder, name));
		const inside = { status: 0, stderr: "", stdout: `${join(folder, name)}\n` };
		expect(bash(line({ workdir: name, command: PWD }))).toEqual(inside);
		expect(bash(line({ workdir: join(folder, name), command: PWD }))).toEqual(inside);
	});

	test("one that is not there: the command does not run, and the code is docker's", () => {
		const { status, stdout, stderr } = bash(line({ workdir: "/absent", command: ["echo", "ran"] }));
		expect({ status, stdout }).toEqual({ status: 126, stdout: "" });
		expect(stderr).toContain("/absent");
	});

	test("a folder named - is a folder, not the last one", () => {
		mkdirSync(join(folder, "-"));
		const { stdout } = bash(line({ workdir: "-", command: PWD }));
		expect(stdout).toBe(`${join(folder, "-")}\n`);
	});

	test("CDPATH among the variables leads elsewhere, and cd prints where", () => {
		mkdirSync(join(folder, "in/sub"), { recursive: true });
		mkdirSync(join(folder, "sub"));
		const { stdout } = bash(line({ env: [`CDPATH=${folder}/in`], workdir: "sub", command: PWD }));
		expect(stdout).toBe(`${join(folder, "sub")}\n`);
	});
});

test("the command replaces the shell, whatever its name looks like", () => {
	for (const name of ["if", "-x", "a=b", "fi", "!", "absent command"]) {
		expect(bash(line({ command: [name] })).status).toBe(127);
	}
	expect(bash(line({ command: ["/bin/bash", "-c", "exit 42"] })).status).toBe(42);
});

describe("asLauncher", () => {
	const outcome = (error: unknown) => asLauncher(() => Promise.reject(error)).catch((thrown: unknown) => thrown);

	test("the command's own code stays", async () => {
		for (const code of [0, 1, 125, 255]) expect(await asLauncher(() => Promise.resolve(code))).toBe(code);
	});

	test("any failure of the launcher is 125, and says the same", async () => {
		for (const exitCode of [undefined, EXIT.failure, EXIT.usage, EXIT.launcher]) {
			const fault = new Fault("what", { why: "why", fix: "fix", log: "/log", exitCode });
			const made = (await outcome(fault)) as Fault;
			expect(made).toBeInstanceOf(Fault);
			expect(made.message).toBe("what");
			expect(made.details).toEqual({ why: "why", fix: "fix", log: "/log", exitCode: EXIT.launcher, cause: fault });
		}
	});

	test("Ctrl+C and SIGTERM pass as they are; a defect is 125 too, and says what it is", async () => {
		for (const exitCode of [EXIT.interrupted, EXIT.terminated]) {
			const fault = new Fault("stop", { exitCode });
			expect(await outcome(fault)).toBe(fault);
		}
		const made = (await outcome(new TypeError("wrong type"))) as Fault;
		expect([made.exitCode, made.message, made.details.why]).toEqual([
			EXIT.launcher,
			expect.stringContaining("defect"),
			"TypeError: wrong type",
		]);
	});
});
