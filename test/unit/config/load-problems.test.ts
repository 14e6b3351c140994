import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type ConfigSources, loadConfig } from "../../../src/config/load.ts";
import { EXIT, Fault } from "../../../src/errors.ts";

const NOTHING: ConfigSources = { file: null, env: {}, flags: {}, home: "/home/u", cwd: "/work" };

function withText(text: string): ConfigSources {
	return { ...NOTHING, file: { path: "/etc/vg/config.toml", text } };
}

/** Only what a user would read; the path of the file is cut to its name. */
function problemsOf(sources: ConfigSources): string {
	try {
		loadConfig(sources);
	} catch (error) {
		if (!(error instanceof Fault)) throw error;
		expect(error.exitCode).toBe(EXIT.usage);
		return error.message.replaceAll("/etc/vg/config.toml", "config.toml");
	}
	return "none";
}

describe("problems", () => {
	test("wrong types and values of a file", () => {
		const text = [
			"[vm]",
			'vcpus = "8" # a comment',
			'memory = "8X"',
			'kernel = ["a"]',
			'rootfs = ""',
			'accel = "kvn"',
			"[gpu]",
			"mode = true",
			"[display]",
			"backend = 1979-05-27",
			"[qemu.binary]",
			"[logs]",
			"keep = 99999999999999999999",
			"[timeouts]",
			"boot = 60.0",
		];
		expect(problemsOf(withText(text.join("\n")))).toMatchInlineSnapshot(`
		  "config.toml:2:9: vm.vcpus: expected a whole number from 1 to 512, or "auto", got the string "8"; remove the quotes
		  config.toml:3:10: vm.memory: 8X: unknown unit "X"; write for example 4096 (MiB), 512M or 8G
		  config.toml:4:10: vm.kernel: expected a path as a string, got an array
		  config.toml:5:10: vm.rootfs: the path is empty
		  config.toml:6:9: vm.accel: expected one of auto, kvm, hvf, whpx, tcg, got "kvn" (did you mean "kvm"?)
		  config.toml:8:8: gpu.mode: expected one of auto, virgl, software, none, or a PCI address such as 01:00.0, got true
		  config.toml:10:11: display.backend: expected one of auto, gtk, sdl, cocoa, none, got a date
		  config.toml:11:7: qemu.binary: expected a path as a string, got a table
		  config.toml:13:8: logs.keep: expected a whole number of runs from 1 to 1000, got 99999999999999999999
		  config.toml:15:8: timeouts.boot: expected a whole number of seconds from 10 to 3600, got the float 60.0"
		`);
	});

	test("more wrong values", () => {
		const lines = ['vcpus = "many"', 'vcpus = "0"', "vcpus = 0", "vcpus = 1.5", "vcpus = nan", "memory = 8"];
		const more = ["memory = 100", 'memory = "17T"', "memory = 4096.0", "memory = -1", 'memory = "Auto"', "memory = []"];
		const paths = ["kernel = 1", 'kernel = "a\\u0000b"', 'accel = "KVM"', 'accel = "\\u001b[31mred"'];
		const all = [...lines, ...more, ...paths].map((line) => problemsOf(withText(`vm.${line}`)));
		expect(all.join("\n")).toMatchInlineSnapshot(`
		  "config.toml:1:12: vm.vcpus: expected a whole number from 1 to 512, or "auto", got "many"
		  config.toml:1:12: vm.vcpus: expected a whole number from 1 to 512, or "auto", got "0"
		  config.toml:1:12: vm.vcpus: expected a whole number from 1 to 512, or "auto", got 0
		  config.toml:1:12: vm.vcpus: expected a whole number from 1 to 512, or "auto", got the float 1.5
		  config.toml:1:12: vm.vcpus: expected a whole number from 1 to 512, or "auto", got the float NaN
		  config.toml:1:13: vm.memory: 8 MiB is less than the minimum of 512M; for 8 GiB write 8G
		  config.toml:1:13: vm.memory: 100 MiB is less than the minimum of 512M
		  config.toml:1:13: vm.memory: 17825792 MiB is more than the maximum of 16T
		  config.toml:1:13: vm.memory: expected a size such as "8G", a whole number of MiB, or "auto", got the float 4096.0
		  config.toml:1:13: vm.memory: -1: not a size; write for example 4096 (MiB), 512M or 8G
		  config.toml:1:13: vm.memory: Auto: not a size; write for example 4096 (MiB), 512M or 8G
		  config.toml:1:13: vm.memory: expected a size such as "8G", a whole number of MiB, or "auto", got an array
		  config.toml:1:13: vm.kernel: expected a path as a string, got 1
		  config.toml:1:13: vm.kernel: the path has a NUL character in it
		  config.toml:1:12: vm.accel: expected one of auto, kvm, hvf, whpx, tcg, got "KVM" (did you mean "kvm"?)
		  config.toml:1:12: vm.accel: expected one of auto, kvm, hvf, whpx, tcg, got "\\u{1b}[31mred""
		`);
	});

	test("unknown keys and sections", () => {
		const text = [
			"memory = 3",
			'"vm.accel" = "kvm"',
			"logs = 3",
			"frobnicate = 1",
			"[vm]",
			"memroy = 4096",
			'mode = "virgl"',
			"frobnicate = { a = 1 }",
			"__proto__ = 1",
			"[vm.sub]",
			"a = 1",
			"[gpuu]",
			'mode = "virgl"',
			"other = 1",
			"[something.else]",
			"[[qemu]]",
			"[timeout]",
			'["\\u001b[2J"]',
		];
		expect(problemsOf(withText(text.join("\n")))).toMatchInlineSnapshot(`
		  "config.toml:1:1: memory: unknown key outside any section (did you mean vm.memory?)
		  config.toml:2:1: "vm.accel": unknown key outside any section (did you mean vm.accel?)
		  config.toml:3:8: logs: expected a section, written [logs] on a line of its own, got 3
		  config.toml:4:1: frobnicate: unknown key outside any section
		  config.toml:6:1: vm.memroy: unknown key (did you mean vm.memory?)
		  config.toml:7:1: vm.mode: unknown key (did you mean gpu.mode?)
		  config.toml:8:1: vm.frobnicate: unknown key
		  config.toml:9:1: vm.__proto__: unknown key
		  config.toml:10:5: vm.sub: unknown key
		  config.toml:12:2: gpuu: unknown section (did you mean [gpu]?)
		  config.toml:15:2: something: unknown section
		  config.toml:16:3: qemu: expected a section, written [qemu] on a line of its own, got [[qemu]]
		  config.toml:17:2: timeout: unknown section (did you mean [timeouts]?)
		  config.toml:18:2: "\\u{1b}[2J": unknown section"
		`);
	});

	test("inline tables and dotted keys have exact places", () => {
		const text = '\n  vm = { memory = "8X",\n    "vcpus" = 0 }\n gpu . mode = """\n[vm]"""\n';
		expect(problemsOf(withText(text))).toMatchInlineSnapshot(`
		  "config.toml:2:19: vm.memory: 8X: unknown unit "X"; write for example 4096 (MiB), 512M or 8G
		  config.toml:3:15: vm.vcpus: expected a whole number from 1 to 512, or "auto", got 0
		  config.toml:4:15: gpu.mode: expected one of auto, virgl, software, none, or a PCI address such as 01:00.0, got "[vm]""
		`);
	});

	test("a syntax error reports only itself, and says so", () => {
		expect(problemsOf(withText("[vm]\nvcpus = 0\nmemory = 8G\n"))).toMatchInlineSnapshot(`
		  "config.toml:3:11: not valid TOML: illegal character in numeric literal (text needs quotes: "8G", "auto"); nothing else in this file was checked
		      2:  vcpus = 0
		      3:  memory = 8G
		                    ^"
		`);
		expect(problemsOf(withText("[vm]\nvcpus = auto\n"))).toMatchInlineSnapshot(`
		  "config.toml:2:9: not valid TOML: invalid value (text needs quotes: "8G", "auto"); nothing else in this file was checked
		      1:  [vm]
		      2:  vcpus = auto
		                  ^"
		`);
		expect(problemsOf(withText("[vm]\nvcpus = 1\nvcpus = 2\n"))).toMatchInlineSnapshot(`
		  "config.toml:3:1: not valid TOML: trying to redefine an already defined table or value; nothing else in this file was checked
		      2:  vcpus = 1
		      3:  vcpus = 2
		          ^"
		`);
		expect(problemsOf(withText(`[vm\n# ${"x".repeat(500)}\n`))).toMatchInlineSnapshot(
			`"config.toml:1:4: not valid TOML: illegal character in key; nothing else in this file was checked"`,
		);
		expect(problemsOf(withText("a = \u001b[31m"))).not.toContain("\u001b");
	});

	test("NUL bytes and size", () => {
		expect(problemsOf(withText("[vm]\n\0v\0c"))).toMatchInlineSnapshot(
			`"config.toml:2:1: a NUL byte: this is not a text file, or not in UTF-8"`,
		);
		expect(problemsOf(withText("#".repeat(1024 * 1024)))).toBe("none");
		expect(problemsOf(withText("#".repeat(1024 * 1024 + 1)))).toMatchInlineSnapshot(
			`"config.toml: too large for a configuration: 1048577 bytes, the limit is 1048576"`,
		);
		// Bytes are counted, not characters.
		expect(problemsOf(withText(`#${"€".repeat(350_000)}`))).toContain("too large");
	});

	test("variables", () => {
		const env = {
			VIRTUALGHOST_VCPUS: "600",
			VIRTUALGHOST_MEMORY: "8X",
			VIRTUALGHOST_GPUS: "virgl",
			VIRTUALGHOST_FROB: "1",
			VIRTUALGHOST_SESION: "1",
			VIRTUALGHOST_ACCEL: "kvn",
			VIRTUALGHOST_: "",
		};
		expect(problemsOf({ ...NOTHING, env })).toMatchInlineSnapshot(`
		  "VIRTUALGHOST_ACCEL: expected one of auto, kvm, hvf, whpx, tcg, got "kvn" (did you mean "kvm"?)
		  VIRTUALGHOST_FROB: unknown variable
		  VIRTUALGHOST_GPUS: unknown variable (did you mean VIRTUALGHOST_GPU?)
		  VIRTUALGHOST_MEMORY: 8X: unknown unit "X"; write for example 4096 (MiB), 512M or 8G
		  VIRTUALGHOST_SESION: unknown variable (did you mean VIRTUALGHOST_SESSION?)
		  VIRTUALGHOST_VCPUS: expected a whole number from 1 to 512, or "auto", got 600"
		`);
	});

	test("flags", () => {
		const flags = {
			vcpus: "99999999999999999999",
			memory: "8X",
			kernel: "",
			accel: ["kvm", "tcg"],
			gpu: false,
			display: "xt",
			qemu: null,
			"logs-keep": 1.5,
			"boot-timeout": "5m",
		};
		expect(problemsOf({ ...NOTHING, flags })).toMatchInlineSnapshot(`
		  "--accel: given more than once
		  --boot-timeout: expected a whole number of seconds from 10 to 3600, got "5m"
		  --display: expected one of auto, gtk, sdl, cocoa, none, got "xt"
		  --gpu: needs a value: one of auto, virgl, software, none, or a PCI address such as 01:00.0
		  --kernel: needs a value: a path as a string
		  --logs-keep: expected a whole number of runs from 1 to 1000, got 1.5
		  --memory: 8X: unknown unit "X"; write for example 4096 (MiB), 512M or 8G
		  --qemu: expected a path as a string, got null
		  --vcpus: expected a whole number from 1 to 512, or "auto", got 99999999999999999999"
		`);
	});

	test("all sources in one fault, overridden values too", () => {
		const sources = {
			...withText("vm.memory = 1\n"),
			env: { VIRTUALGHOST_MEMORY: "2" },
			flags: { memory: "3", vcpus: "1" },
		};
		expect(problemsOf(sources)).toMatchInlineSnapshot(`
		  "config.toml:1:13: vm.memory: 1 MiB is less than the minimum of 512M; for 1 GiB write 1G
		  VIRTUALGHOST_MEMORY: 2 MiB is less than the minimum of 512M; for 2 GiB write 2G
		  --memory: 3 MiB is less than the minimum of 512M; for 3 GiB write 3G"
		`);
		expect(
			problemsOf({ ...withText("="), env: sources.env })
				.split("\n")
				.at(-1),
		).toStartWith("VIRTUALGHOST_MEMORY: ");
	});
});

test("any text and any environment give a configuration or a Fault", () => {
	const token = fc.constantFrom(
		"[",
		"]",
		"vm",
		"gpu",
		".",
		"memory",
		"=",
		'"',
		'"""',
		"'",
		"{",
		"}",
		",",
		"\n",
		"8",
		"#",
	);
	const text = fc.oneof(
		fc.string({ unit: "binary" }),
		fc.array(token).map((tokens) => tokens.join("")),
	);
	const env = fc.dictionary(fc.constantFrom("VIRTUALGHOST_MEMORY", "VIRTUALGHOST_X", "VIRTUALGHOST_QEMU"), fc.string());
	const flags = fc.dictionary(fc.constantFrom("memory", "vcpus", "qemu", "gpu"), fc.anything());
	fc.assert(
		fc.property(text, env, flags, (fileText, variables, given) => {
			try {
				loadConfig({ ...withText(fileText), env: variables, flags: given });
			} catch (error) {
				expect(error).toBeInstanceOf(Fault);
			}
		}),
		{ numRuns: 1000 },
	);
});
