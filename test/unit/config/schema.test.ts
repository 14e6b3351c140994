import { describe, expect, test } from "bun:test";
import { parse } from "smol-toml";
import { exampleConfig } from "../../../src/config/example.ts";
import { loadConfig } from "../../../src/config/load.ts";
import {
	CONFIG_KEYS,
	CONFIG_ROWS,
	CONFIG_SECTIONS,
	type Config,
	describeFlag,
	RESERVED_ENV,
} from "../../../src/config/schema.ts";

const DEFAULTS: Config = {
	vm: { vcpus: "auto", memoryMiB: "auto", kernel: null, rootfs: null, accel: "auto", control: "auto" },
	gpu: { mode: "auto", driverPack: null },
	display: { backend: "auto", window: "auto", scale: "auto", keymap: "auto" },
	terminal: { ghosttyConfig: "auto", theme: null, fontSize: null, hostFonts: true, trustColours: "off" },
	network: { mode: "internet", allow: null, deny: null },
	disk: { home: null },
	qemu: { binary: null },
	snapshot: { auto: true, diskMiB: 4096 },
	logs: { keep: 10 },
	timeouts: { bootSeconds: 300, hungSeconds: 30 },
};

function loadText(text: string): Config {
	return loadConfig({ file: { path: "/etc/c.toml", text }, env: {}, flags: {}, home: "/h", cwd: "/w" }).config;
}

describe("rows", () => {
	test("give the defaults", () => {
		expect(loadConfig({ file: null, env: {}, flags: {}, home: "/h", cwd: "/w" }).config).toEqual(DEFAULTS);
	});

	test("have defaults and examples that their own schema takes", () => {
		for (const row of CONFIG_ROWS) {
			if (row.default !== null) expect(row.schema.parse(row.default)).toBe(row.default);
			else expect(row.schema.safeParse(parse(`v = ${row.example}`).v).success).toBe(true);
		}
	});

	test("share no key, variable, flag or field, and keep sections together", () => {
		for (const names of [
			CONFIG_KEYS.map((row) => row.key),
			[...CONFIG_KEYS.map((row) => row.env), ...RESERVED_ENV],
			CONFIG_KEYS.map((row) => row.flag),
			CONFIG_KEYS.map((row) => `${row.section}.${row.field}`),
		] as string[][]) {
			expect(new Set(names).size).toBe(names.length);
		}
		const sections: string[] = CONFIG_KEYS.map((row) => row.section);
		expect(sections.filter((section, index) => section !== sections[index - 1])).toEqual([...CONFIG_SECTIONS]);
	});

	test("have names that a file, an environment and a shell take as they are", () => {
		for (const row of CONFIG_KEYS) {
			expect(row.key).toMatch(/^[a-z]+\.[a-z-]+$/);
			expect(row.env).toMatch(/^VIRTUALGHOST_[A-Z_]+$/);
			expect(row.flag).toMatch(/^[a-z]+(-[a-z]+)*$/);
			expect(row.doc).toMatch(/^[A-Za-z][^\n]*[^.\n]$/);
		}
	});

	test("make the help", () => {
		const help = CONFIG_KEYS.map((row) => `--${row.flag} <${row.placeholder}>  ${describeFlag(row)}`).join("\n");
		expect(help).toMatchInlineSnapshot(`
		  "--vcpus <n|auto>  Number of virtual CPUs [default: auto (the cores of the host, at most 4)]
		  --memory <size>  Memory of the virtual machine [default: auto (a quarter of the host's memory, from 2G to 4G)]
		  --kernel <path>  Kernel image to boot instead of the embedded one [default: the embedded kernel]
		  --rootfs <path>  Root file system image to boot instead of the embedded one [default: the embedded root file system]
		  --accel <auto|kvm|hvf|whpx|tcg>  How the processor is virtualized [default: auto (the best that works on this host)]
		  --control <auto|vsock|unix|tcp>  How the launcher reaches the guest's agent [default: auto (vsock where this host has it, else unix, else tcp)]
		  --gpu <auto|virgl|software|none|address>  How the guest draws [default: auto (virgl where the host's OpenGL is good enough, else software)]
		  --driver-pack <path>  Driver pack with the guest's drivers for a real graphics card [default: none]
		  --display <auto|gtk|sdl|cocoa|none>  What makes the window on the host [default: auto (what this host and its QEMU have)]
		  --window <WxH|fullscreen|maximized>  How the window opens [default: auto (1280x800, times the scale)]
		  --scale <auto|1|1.5|2>  How large the guest draws text and everything else [default: auto (that of this host's display)]
		  --keymap <layout[:variant[:options]]>  Keyboard layout of the guest [default: auto (the keyboard layout of this host)]
		  --ghostty-config <auto|none|path>  Ghostty configuration whose looks and keys the terminal gets [default: auto (this host's Ghostty configuration, if there is one)]
		  --theme <name|path>  Theme of the terminal, over the colours of its configuration [default: that of the Ghostty configuration]
		  --font-size <points>  Size of the terminal's font [default: that of the Ghostty configuration]
		  --host-fonts <true|false>  Hand over your own font files that the Ghostty configuration names [default: true]
		  --trust-colours <off|background>  Tint the terminal's background by what the machine may reach [default: off]
		  --network <none|internet|host>  What the guest reaches: nothing, the public internet, or all that this host reaches [default: internet]
		  --allow <host[:port]>  What the guest may reach besides; repeatable [default: none]
		  --deny <host[:port]>  What the guest may not reach; repeatable [default: none]
		  --disk <name[:size]>  Disk that is kept, as the home of the guest's user; made if there is none [default: none: nothing is kept]
		  --snapshot-auto <true|false>  Make a snapshot in the background of a window's first start, for the next ones [default: true]
		  --snapshot-disk <size>  Disk space that snapshots may take; those used least recently go first [default: 4G]
		  --qemu <path>  qemu-system program to use instead of the embedded one [default: the embedded QEMU]
		  --logs-keep <runs>  Number of past runs whose logs are kept [default: 10]
		  --boot-timeout <seconds>  Seconds the guest may take to come up [default: 300]
		  --hung-timeout <seconds>  Seconds after which a guest without any sign of life is ended; 0 never does [default: 30]"
		`);
	});
});

describe("the example file", () => {
	const example = exampleConfig();

	test("changes nothing as it is", () => {
		expect(loadText(example)).toEqual(DEFAULTS);
	});

	test("equals the defaults when every default is uncommented", () => {
		const uncommented = example.replace(/^#(?! |$)/gm, "");
		expect(uncommented).not.toBe(example);
		expect(loadText(uncommented)).toEqual(DEFAULTS);
		const values = parse(uncommented);
		for (const row of CONFIG_ROWS) {
			const section = values[row.section] as Record<string, unknown>;
			expect(row.name in section).toBe(row.default !== null);
		}
	});

	test("is valid with every example uncommented too, and then has every key", () => {
		const text = example.replace(/^# ?(?=[a-z-]+ = )/gm, "");
		const loaded = loadConfig({ file: { path: "/etc/c.toml", text }, env: {}, flags: {}, home: "/h", cwd: "/w" });
		expect(Object.values(loaded.origins).map((each) => each.origin)).toEqual(CONFIG_ROWS.map(() => "file"));
		expect(loaded.config.vm.kernel).toBe("/h/kernels/vmlinuz");
	});

	test("reads like this", () => {
		expect(example.split("\n\n").slice(0, 3).join("\n\n")).toMatchInlineSnapshot(`
		  "# VirtualGhost configuration
		  #
		  # Everything is optional. Lines that begin with # and no space are the defaults: remove the # and change the value.
		  # Flags win over variables of the environment, and those over this file.

		  [vm]
		  # Number of virtual CPUs
		  # Default: auto (the cores of the host, at most 4)
		  # Also: VIRTUALGHOST_VCPUS, --vcpus
		  #vcpus = "auto"

		  # Memory of the virtual machine
		  # A size such as "8G" or "1536M", or a number of MiB. At least 512M.
		  # Default: auto (a quarter of the host's memory, from 2G to 4G)
		  # Also: VIRTUALGHOST_MEMORY, --memory
		  #memory = "auto""
		`);
		expect(Math.max(...example.split("\n").map((line) => line.length))).toBeLessThanOrEqual(120);
	});
});
