/** The built file, without a boot: what it answers, what it refuses, what it must not do. */
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Manifest } from "../../src/vm/manifest.ts";
import { BINARY, Sandbox, sizeOf, tool } from "./harness.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox[Symbol.dispose]());

/** At most, in MB (10⁶ bytes), of a release build for Linux; docs/performance.md has the table with what is in it. */
const BUDGET_MB: Readonly<Record<string, number>> = {
	launcher: 113,
	kernel: 13,
	initramfs: 2,
	root: 130,
	guest: 54,
	qemu: 23,
	pciids: 0.3,
};
const TOTAL_MB = 331;
/** `--fast` compresses quickly. */
const FAST_TOTAL_MB = 380;

describe("size and speed", () => {
	test("every part is within its budget, and so is the file", async () => {
		const { stdout } = await sandbox.run(["version", "--assets", "--json"]);
		const { assets } = JSON.parse(stdout) as { assets: Manifest };
		const total = sizeOf(BINARY) / 1e6;
		if (assets.builder.fast) {
			expect(total).toBeLessThanOrEqual(FAST_TOTAL_MB);
			return;
		}
		const parts = assets.assets.map(({ name, bytes }) => [name, bytes / 1e6] as const);
		const sizes = { launcher: total - parts.reduce((sum, [, size]) => sum + size, 0), ...Object.fromEntries(parts) };
		console.log(
			Object.entries({ ...sizes, total })
				.map(([name, size]) => `${name} ${size.toFixed(1)} MB`)
				.join(", "),
		);
		expect(Object.entries(sizes).filter(([name, size]) => !(size <= (BUDGET_MB[name] ?? 0)))).toEqual([]);
		expect(total).toBeLessThanOrEqual(TOTAL_MB);
	});

	test("--help takes at most 3 times an empty compiled Bun program", async () => {
		const source = join(sandbox.root, "empty.ts");
		const empty = join(sandbox.root, "empty");
		writeFileSync(source, "");
		expect((await tool([process.execPath, "build", "--compile", source, "--outfile", empty])).code).toBe(0);
		const median = (argv: string[]) => {
			const times = Array.from({ length: 21 }, () => {
				const from = performance.now();
				expect(Bun.spawnSync(argv, { env: sandbox.env, stdout: "pipe" }).exitCode).toBe(0);
				return performance.now() - from;
			});
			return times.sort((a, b) => a - b)[10] ?? Number.NaN;
		};
		const ratio = median([BINARY, "--help"]) / median([empty]);
		console.log(`--help / empty program: ${ratio.toFixed(2)}`);
		expect(ratio).toBeLessThanOrEqual(3);
	});
});

describe("what is inside", () => {
	test("is what the manifest says, and nothing is extracted for that", async () => {
		const { code, stdout } = await sandbox.run(["verify", "--json"]);
		const { ok, findings, executable } = JSON.parse(stdout) as {
			ok: boolean;
			findings: { verdict: string; where: string }[];
			executable: { sha256: string };
		};
		expect([code, ok]).toEqual([0, true]);
		expect(findings.filter(({ where, verdict }) => where === "executable" && verdict === "ok").length).toBeGreaterThan(
			4,
		);
		expect((await tool(["sha256sum", BINARY])).stdout).toStartWith(executable.sha256);
		expect(sandbox.assets()).toEqual([]);
	});

	test("is listed with versions and licences: guest, kernel, QEMU, npm", async () => {
		const { code, stdout } = await sandbox.run(["version", "--sbom"]);
		expect(code).toBe(0);
		const { bomFormat, components } = JSON.parse(stdout) as {
			bomFormat: string;
			components: { name: string; purl?: string; licenses?: unknown[]; version?: string }[];
		};
		expect(bomFormat).toBe("CycloneDX");
		const packages = components.filter(({ purl }) => purl !== undefined);
		for (const name of ["systemd", "cage", "libc6", "qemu-system-x86", "ssh2", "zod", "bun", "busybox-static"]) {
			expect(packages.map((each) => each.name)).toContain(name);
		}
		expect(packages.length).toBeGreaterThan(400);
		expect(packages.every(({ version }) => version)).toBe(true);
		const unlicensed = packages.filter(({ licenses }) => licenses === undefined).map(({ name }) => name);
		console.log(`${packages.length} packages, of ${unlicensed.length} no licence is known: ${unlicensed.join(" ")}`);
		expect(unlicensed.length / packages.length).toBeLessThan(0.03);
	});
});

describe("doors of a compiled Bun program", () => {
	test("bunfig.toml and .env of the current directory are not read", async () => {
		const folder = join(sandbox.root, "hostile");
		mkdirSync(folder);
		writeFileSync(join(folder, "bunfig.toml"), 'preload = ["./evil.ts"]\n[run]\npreload = ["./evil.ts"]\n');
		writeFileSync(join(folder, "evil.ts"), 'require("node:fs").writeFileSync("pwned", "");');
		writeFileSync(join(folder, ".env"), "VIRTUALGHOST_MEMORY=8X\nVIRTUALGHOST_VCPUS=0\n");
		writeFileSync(join(folder, "config.toml"), "[vm]\nvcpus = 0\n");
		const { code, stdout } = await sandbox.run(["run", "--dry-run", "--headless-test"], { cwd: folder });
		expect(code).toBe(0);
		expect(stdout).toContain("qemu-system-x86_64");
		expect(readdirSync(folder)).not.toContain("pwned");
	});

	test.each(["BUN_BE_BUN", "BUN=BE=BUN"])("%s does not turn it into bun", async (name) => {
		const { stdout } = await sandbox.run(["--version"], { env: { [name]: "1" } });
		expect(stdout.trim()).toBe(
			(JSON.parse(readFileSync(join(import.meta.dir, "../../package.json"), "utf8")) as { version: string }).version,
		);
	});

	test("BUN_OPTIONS does not load code", async () => {
		const evil = join(sandbox.root, "evil.ts");
		const mark = join(sandbox.root, "options-pwned");
		writeFileSync(evil, `require("node:fs").writeFileSync(${JSON.stringify(mark)}, "");`);
		const { code } = await sandbox.run(["version"], { env: { BUN_OPTIONS: `--preload=${evil}` } });
		expect(code).toBe(0);
		expect(existsSync(mark)).toBe(false);
	});
});

describe("answers", () => {
	test("--vcpus and --memory are in the command line", async () => {
		const { code, stdout } = await sandbox.run(["--vcpus", "8", "--memory", "8G", "--dry-run"]);
		expect(code).toBe(0);
		expect(stdout).toContain(" -smp 8 ");
		expect(stdout).toContain(" -m 8192M ");
		expect(sandbox.assets()).toEqual([]);
	});

	test("a dry run reads back in a shell as the very arguments of --json", async () => {
		const plain = await sandbox.run(["--dry-run"]);
		const json = JSON.parse((await sandbox.run(["--dry-run", "--json"])).stdout) as {
			argv: string[];
			env: Record<string, string>;
		};
		const words = plain.stdout.trim().replace(/^(?:[A-Z_]+=\S+ )*/, "");
		const echoed = await tool(["sh", "-c", `printf '%s\\n' ${words}`]);
		expect(echoed.stdout.trimEnd().split("\n")).toEqual(json.argv);
	});

	test.each(["run", "config", "clean", "version"])("%s --help", async (verb) => {
		const { code, stdout } = await sandbox.run([verb, "--help"]);
		expect(code).toBe(0);
		expect(stdout).toContain(`virtualghost ${verb}`);
	});

	test("version --assets names what is inside, the terminal first", async () => {
		const { stdout } = await sandbox.run(["version", "--assets", "--json"]);
		const { assets } = JSON.parse(stdout) as {
			assets: { terminal: { name: string; standIn: boolean }; packages: { root: unknown[] } };
		};
		expect(assets.terminal.name === "ghostty").toBe(!assets.terminal.standIn);
		expect(assets.packages.root.length).toBeGreaterThan(100);
		expect((await sandbox.run(["version", "--assets"])).stdout).toContain(assets.terminal.name);
	});

	test("config --init, --show, and its path", async () => {
		const first = await sandbox.run(["config", "--init"]);
		expect(first.code).toBe(0);
		const again = await sandbox.run(["config", "--init"]);
		expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("it is there already")]);
		const shown = await sandbox.run(["config", "--show"], { env: { VIRTUALGHOST_MEMORY: "3G" } });
		expect(shown.stdout).toMatch(/memory = .*VIRTUALGHOST_MEMORY/);
		expect((await sandbox.run(["config"])).stdout).toContain(join(sandbox.home, ".config/virtualghost/config.toml"));
	});
});

describe("refusals: one message that names everything, exit code 2", () => {
	test.each([
		[["--memory", "8X"], "--memory"],
		[["--vcpus", "0"], "--vcpus"],
		[["--accel", "magic"], "--accel"],
		[["--frobnicate"], "frobnicate"],
		[["config", "--init", "--show"], "exclude each other"],
		[["nonsense"], "nonsense"],
		[["--screenshot", "x.png"], "--screenshot belongs to --headless-test"],
		[["--kernel", "/nonexistent/vmlinuz", "--headless-test"], "/nonexistent/vmlinuz"],
		[["--qemu", "/bin/true", "--headless-test"], "is not a QEMU"],
		[["--gpu", "virgl", "--headless-test", "--display", "none"], "needs a window"],
	])("%p", async (args, message) => {
		const { code, stderr, stdout } = await sandbox.run(args);
		expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
		expect(stdout).toBe("");
		expect(stderr).not.toContain("defect");
	});

	test("a file with three mistakes: all three, with their places", async () => {
		const file = join(sandbox.root, "bad.toml");
		writeFileSync(file, '[vm]\nvcpus = 0\nmemroy = "4G"\n\n[gpu]\nmode = "fast"\n');
		const { code, stderr } = await sandbox.run(["--dry-run"], { env: { VIRTUALGHOST_CONFIG: file } });
		expect(code).toBe(2);
		expect(stderr).toContain(`${file}:2:`);
		expect(stderr).toMatch(/bad\.toml:3:1: .*did you mean "?vm\.memory|bad\.toml:3:1: .*memory/);
		expect(stderr).toContain(`${file}:6:`);
	});

	test("no display: says so and what to do, writes nothing", async () => {
		const { code, stderr } = await sandbox.run([]);
		expect([code, stderr]).toEqual([1, expect.stringContaining("There is no display")]);
		expect(sandbox.assets()).toEqual([]);
	});
});

test("names of Object.prototype are no command lines", async () => {
	const { code, stderr } = await sandbox.run(["constructor"]);
	expect([code, stderr]).toEqual([2, expect.stringContaining("constructor")]);
});

test("a reader that goes away is no defect", async () => {
	const { stdout, stderr } = await tool(
		["/bin/sh", "-c", `"$0" version --assets --json | /usr/bin/head -c 1`, BINARY],
		sandbox.env,
	);
	expect([stdout, stderr]).toEqual(["{", ""]);
});

describe("surroundings that are not as they should be", () => {
	test("no HOME at all: the account's own is used", async () => {
		const { code, stdout } = await sandbox.run(["config"], { env: { HOME: "" } });
		expect(code).toBe(0);
		expect(stdout).toMatch(/config: \/.+\/\.config\/virtualghost/);
	});

	test("a HOME that cannot be written", async () => {
		const { code, stderr } = await sandbox.run(["--headless-test"], { env: { HOME: "/proc" } });
		expect(code).toBe(1);
		expect(stderr).toMatch(/cannot be (made|used)/);
		expect(stderr).not.toContain("defect");
	});

	test("a runtime folder that others can enter is refused", async () => {
		using other = new Sandbox();
		mkdirSync(join(other.runtime, "virtualghost"));
		chmodSync(join(other.runtime, "virtualghost"), 0o777);
		const { code, stderr } = await other.run(["--headless-test"]);
		expect([code, stderr]).toEqual([1, expect.stringContaining("not private")]);
	});

	test("clean with nothing there", async () => {
		using other = new Sandbox();
		const { code, stdout } = await other.run(["clean"]);
		expect([code, stdout]).toEqual([0, expect.stringContaining("removed 0.0 MiB")]);
	});
});
