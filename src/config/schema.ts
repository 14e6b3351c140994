/**
 * Every key of the configuration, once: the type `Config`, the defaults, `--help`, the example file, the diagnostics and
 * the docs are all made from these rows.
 */
import { keymap, windowStart } from "./display-kinds.ts";
import {
	boolean,
	choice,
	choiceOrPciAddress,
	disk,
	integer,
	integerOrAuto,
	memory,
	memoryOrAuto,
	nameOrPath,
	networkRules,
	path,
	type ValueKind,
	wordOrPath,
} from "./kinds.ts";

/** Less does not bring up systemd, the compositor and a terminal. */
export const MEMORY_MIN_MIB = 512;
/** 16 TiB: what 44 address bits reach, and far beyond what a disposable machine can mean. */
export const MEMORY_MAX_MIB = 16 * 1024 * 1024;

/** What a row says by itself; its kind adds the type, the validator and the placeholder. */
interface RowText<S extends string, N extends string, F extends string, D> {
	/** Table in the file. */
	readonly section: S;
	/** Key in that table. */
	readonly name: N;
	/** Property in `Config`; unlike the key, it carries its unit. */
	readonly field: F;
	/** Null where there is none. */
	readonly default: D;
	/** What the default comes to, where its value does not say it. */
	readonly defaultDoc?: string;
	/** One line, for `--help`. */
	readonly doc: string;
	/** More, for the example file and the docs. */
	readonly detail?: string;
	/** A value to show where there is no default, as written in TOML. */
	readonly example?: string;
	/** Variable of the environment. */
	readonly env: `VIRTUALGHOST_${string}`;
	/** Name of the flag without its dashes, as yargs wants it. */
	readonly flag: string;
}

export interface ConfigRow<S extends string, N extends string, F extends string, T, D>
	extends RowText<S, N, F, D>,
		ValueKind<T> {
	/** Full path in the file: `vm.memory`. */
	readonly key: `${S}.${N}`;
}

function row<const S extends string, const N extends string, const F extends string, T, const D extends T | null>(
	kind: ValueKind<T>,
	text: RowText<S, N, F, D>,
): ConfigRow<S, N, F, T, D> {
	return { ...kind, ...text, key: `${text.section}.${text.name}` };
}

const VM_KEYS = [
	row(integerOrAuto({ min: 1, max: 512, placeholder: "n|auto" }), {
		section: "vm",
		name: "vcpus",
		field: "vcpus",
		default: "auto",
		defaultDoc: "auto (the cores of the host, at most 4)",
		doc: "Number of virtual CPUs",
		env: "VIRTUALGHOST_VCPUS",
		flag: "vcpus",
	}),
	row(memoryOrAuto(MEMORY_MIN_MIB, MEMORY_MAX_MIB), {
		section: "vm",
		name: "memory",
		field: "memoryMiB",
		default: "auto",
		defaultDoc: "auto (a quarter of the host's memory, from 2G to 4G)",
		doc: "Memory of the virtual machine",
		detail: 'A size such as "8G" or "1536M", or a number of MiB. At least 512M.',
		env: "VIRTUALGHOST_MEMORY",
		flag: "memory",
	}),
	row(path(), {
		section: "vm",
		name: "kernel",
		field: "kernel",
		default: null,
		defaultDoc: "the embedded kernel",
		doc: "Kernel image to boot instead of the embedded one",
		example: '"~/kernels/vmlinuz"',
		env: "VIRTUALGHOST_KERNEL",
		flag: "kernel",
	}),
	row(path(), {
		section: "vm",
		name: "rootfs",
		field: "rootfs",
		default: null,
		defaultDoc: "the embedded root file system",
		doc: "Root file system image to boot instead of the embedded one",
		example: '"~/images/root.erofs"',
		env: "VIRTUALGHOST_ROOTFS",
		flag: "rootfs",
	}),
	row(choice(["auto", "kvm", "hvf", "whpx", "tcg"]), {
		section: "vm",
		name: "accel",
		field: "accel",
		default: "auto",
		defaultDoc: "auto (the best that works on this host)",
		doc: "How the processor is virtualized",
		detail: "kvm on Linux, hvf on macOS, whpx on Windows; tcg emulates it anywhere, slowly.",
		env: "VIRTUALGHOST_ACCEL",
		flag: "accel",
	}),
	row(choice(["auto", "vsock", "unix", "tcp"]), {
		section: "vm",
		name: "control",
		field: "control",
		default: "auto",
		defaultDoc: "auto (vsock where this host has it, else unix, else tcp)",
		doc: "How the launcher reaches the guest's agent",
		detail: "vsock needs Linux. unix and tcp: over a network card that leads from the launcher to the agent only.",
		env: "VIRTUALGHOST_CONTROL",
		flag: "control",
	}),
] as const;

const WINDOW_KEYS = [
	row(choiceOrPciAddress(["auto", "virgl", "software", "none"]), {
		section: "gpu",
		name: "mode",
		field: "mode",
		default: "auto",
		defaultDoc: "auto (virgl where the host's OpenGL is good enough, else software)",
		doc: "How the guest draws",
		detail:
			"virgl uses the host's GPU, software the guest's CPUs, none has no screen; an address (Linux) hands a card over.",
		env: "VIRTUALGHOST_GPU",
		flag: "gpu",
	}),
	row(path(), {
		section: "gpu",
		name: "driver-pack",
		field: "driverPack",
		default: null,
		doc: "Driver pack with the guest's drivers for a real graphics card",
		detail: "A file that `just driver-pack` makes. docs/gpu-drivers.md",
		example: '"~/virtualghost/driver-pack.erofs"',
		env: "VIRTUALGHOST_DRIVER_PACK",
		flag: "driver-pack",
	}),
	row(choice(["auto", "gtk", "sdl", "cocoa", "none"]), {
		section: "display",
		name: "backend",
		field: "backend",
		default: "auto",
		defaultDoc: "auto (what this host and its QEMU have)",
		doc: "What makes the window on the host",
		env: "VIRTUALGHOST_DISPLAY",
		flag: "display",
	}),
	row(windowStart(), {
		section: "display",
		name: "window",
		field: "window",
		default: "auto",
		defaultDoc: "auto (1280x800, times the scale)",
		doc: "How the window opens",
		detail: "The guest's screen follows the window. Ctrl+Alt+F turns full screen on and off.",
		example: '"1600x1000"',
		env: "VIRTUALGHOST_WINDOW",
		flag: "window",
	}),
	row(choice(["auto", "1", "1.5", "2"]), {
		section: "display",
		name: "scale",
		field: "scale",
		default: "auto",
		defaultDoc: "auto (that of this host's display)",
		doc: "How large the guest draws text and everything else",
		env: "VIRTUALGHOST_SCALE",
		flag: "scale",
	}),
	row(keymap(), {
		section: "display",
		name: "keymap",
		field: "keymap",
		default: "auto",
		defaultDoc: "auto (the keyboard layout of this host)",
		doc: "Keyboard layout of the guest",
		detail: 'As XKB names it: "de", "us:intl", "fr:bepo:caps:escape".',
		env: "VIRTUALGHOST_KEYMAP",
		flag: "keymap",
	}),
] as const;

const DISK_KEYS = [
	row(disk(), {
		section: "disk",
		name: "home",
		field: "home",
		default: null,
		defaultDoc: "none: nothing is kept",
		doc: "Disk that is kept, as the home of the guest's user; made if there is none",
		detail: "`virtualghost disk list` shows those that are there. A new one may grow to SIZE, or to 32G.",
		example: '"projects:64G"',
		env: "VIRTUALGHOST_DISK",
		flag: "disk",
	}),
] as const;

/** Smallest and largest font in points. */
const FONT_SIZE = { min: 4, max: 144 } as const;

const TERMINAL_KEYS = [
	row(wordOrPath(["auto", "none"]), {
		section: "terminal",
		name: "ghostty-config",
		field: "ghosttyConfig",
		default: "auto",
		defaultDoc: "auto (this host's Ghostty configuration, if there is one)",
		doc: "Ghostty configuration whose looks and keys the terminal gets",
		detail: "What runs, reads or types something is left out: docs/ghostty-config.md",
		env: "VIRTUALGHOST_GHOSTTY_CONFIG",
		flag: "ghostty-config",
	}),
	row(nameOrPath(), {
		section: "terminal",
		name: "theme",
		field: "theme",
		default: null,
		defaultDoc: "that of the Ghostty configuration",
		doc: "Theme of the terminal, over the colours of its configuration",
		detail: "A theme of this host's Ghostty by name, or a file with colours in Ghostty's words.",
		example: '"~/themes/paper"',
		env: "VIRTUALGHOST_THEME",
		flag: "theme",
	}),
	row(integer({ ...FONT_SIZE, unit: "points", placeholder: "points" }), {
		section: "terminal",
		name: "font-size",
		field: "fontSize",
		default: null,
		defaultDoc: "that of the Ghostty configuration",
		doc: "Size of the terminal's font",
		example: "14",
		env: "VIRTUALGHOST_FONT_SIZE",
		flag: "font-size",
	}),
	row(boolean(), {
		section: "terminal",
		name: "host-fonts",
		field: "hostFonts",
		default: true,
		doc: "Hand over your own font files that the Ghostty configuration names",
		env: "VIRTUALGHOST_HOST_FONTS",
		flag: "host-fonts",
	}),
	row(choice(["off", "background"]), {
		section: "terminal",
		name: "trust-colours",
		field: "trustColours",
		default: "off",
		doc: "Tint the terminal's background by what the machine may reach",
		detail: "Green: nothing. Amber: the internet. Red: this host.",
		env: "VIRTUALGHOST_TRUST_COLOURS",
		flag: "trust-colours",
	}),
] as const;

const NETWORK_KEYS = [
	row(choice(["none", "internet", "host"]), {
		section: "network",
		name: "mode",
		field: "mode",
		default: "internet",
		doc: "What the guest reaches: nothing, the public internet, or all that this host reaches",
		detail:
			"internet: not this host, not its networks, no private address. host: this host's 127.0.0.1 too, as 10.0.2.2.",
		env: "VIRTUALGHOST_NETWORK",
		flag: "network",
	}),
	row(networkRules(), {
		section: "network",
		name: "allow",
		field: "allow",
		default: null,
		doc: "What the guest may reach besides; repeatable",
		detail: "127.0.0.1:8080 is this host's, which the guest reaches as 10.0.2.2:8080. The most specific rule counts.",
		example: '["192.168.1.10:445", "127.0.0.1:8080"]',
		env: "VIRTUALGHOST_ALLOW",
		flag: "allow",
	}),
	row(networkRules(), {
		section: "network",
		name: "deny",
		field: "deny",
		default: null,
		doc: "What the guest may not reach; repeatable",
		detail: "0.0.0.0/0 and ::/0 deny everything that no rule for less allows. Names are looked up once, at the start.",
		example: '["203.0.113.0/24"]',
		env: "VIRTUALGHOST_DENY",
		flag: "deny",
	}),
] as const;

const SNAPSHOT_KEYS = [
	row(boolean(), {
		section: "snapshot",
		name: "auto",
		field: "auto",
		default: true,
		doc: "Make a snapshot in the background of a window's first start, for the next ones",
		detail: "Snapshots that are there are used all the same; `run --cold` does without.",
		env: "VIRTUALGHOST_SNAPSHOT_AUTO",
		flag: "snapshot-auto",
	}),
	row(memory(256, MEMORY_MAX_MIB), {
		section: "snapshot",
		name: "disk",
		field: "diskMiB",
		default: 4096,
		defaultDoc: "4G",
		doc: "Disk space that snapshots may take; those used least recently go first",
		env: "VIRTUALGHOST_SNAPSHOT_DISK",
		flag: "snapshot-disk",
	}),
] as const;

const HOST_KEYS = [
	row(path(), {
		section: "qemu",
		name: "binary",
		field: "binary",
		default: null,
		defaultDoc: "the embedded QEMU",
		doc: "qemu-system program to use instead of the embedded one",
		detail: "A path; the PATH variable is not searched.",
		example: '"/usr/bin/qemu-system-x86_64"',
		env: "VIRTUALGHOST_QEMU",
		flag: "qemu",
	}),
	row(integer({ min: 1, max: 1000, unit: "runs", placeholder: "runs" }), {
		section: "logs",
		name: "keep",
		field: "keep",
		default: 10,
		doc: "Number of past runs whose logs are kept",
		env: "VIRTUALGHOST_LOGS_KEEP",
		flag: "logs-keep",
	}),
	row(integer({ min: 10, max: 3600, unit: "seconds", placeholder: "seconds" }), {
		section: "timeouts",
		name: "boot",
		field: "bootSeconds",
		default: 300,
		doc: "Seconds the guest may take to come up",
		detail: "Long, because a machine without hardware virtualization boots slowly.",
		env: "VIRTUALGHOST_BOOT_TIMEOUT",
		flag: "boot-timeout",
	}),
	row(integer({ min: 0, max: 3600, unit: "seconds", placeholder: "seconds" }), {
		section: "timeouts",
		name: "hung",
		field: "hungSeconds",
		default: 30,
		doc: "Seconds after which a guest without any sign of life is ended; 0 never does",
		detail: "Below 15 there is hardly time to ask. A machine that is paused or suspended is left alone.",
		env: "VIRTUALGHOST_HUNG_TIMEOUT",
		flag: "hung-timeout",
	}),
] as const;

/** In the order of the example file and of `--help`. Keys of one section stand together. */
export const CONFIG_KEYS = [
	...VM_KEYS,
	...WINDOW_KEYS,
	...TERMINAL_KEYS,
	...NETWORK_KEYS,
	...DISK_KEYS,
	...SNAPSHOT_KEYS,
	...HOST_KEYS,
] as const;

type AnyRow = (typeof CONFIG_KEYS)[number];

/** Full path of a key: `vm.memory`. */
export type ConfigKey = AnyRow["key"];

type ValueOf<R> = R extends ConfigRow<string, string, string, infer T, infer D> ? T | D : never;

/** Effective values. `"auto"` is settled by `plan/`, which knows the host; null means none. */
export type Config = {
	readonly [S in AnyRow["section"]]: {
		readonly [R in Extract<AnyRow, { section: S }> as R["field"]]: ValueOf<R>;
	};
};

/** What any value can be once it was validated. */
export type ConfigValue = ValueOf<AnyRow>;

/** A row without its exact types, for loops over all of them. */
export type ConfigKeyRow = ConfigRow<string, string, string, ConfigValue, ConfigValue> & { readonly key: ConfigKey };

/** The same rows for loops, where the union of their exact types gets in the way. */
export const CONFIG_ROWS: readonly ConfigKeyRow[] = CONFIG_KEYS;

/** Sections in the order of the rows. */
export const CONFIG_SECTIONS: readonly string[] = [...new Set(CONFIG_KEYS.map((each) => each.section))];

/** Variables with our prefix that are no keys. Any other that is set is taken for a misspelt key. */
export const RESERVED_ENV: readonly string[] = [
	/** Which configuration file to read, like `--config`. */
	"VIRTUALGHOST_CONFIG",
	/** Where `vm-assets/build` keeps what it downloaded. */
	"VIRTUALGHOST_BUILD_CACHE",
	/** Set by `run --detach` for the process in the background. */
	"VIRTUALGHOST_DETACHED",
	/** Set for the programs of a session in the guest; also seen by a launcher that is started in there. */
	"VIRTUALGHOST_SESSION",
];

/** The value of a row in a configuration. */
export function configValue(config: Config, row: ConfigKeyRow): ConfigValue {
	const sections: Readonly<Record<string, Readonly<Record<string, ConfigValue>>>> = config;
	const value = sections[row.section]?.[row.field];
	if (value === undefined) throw new Error(`configuration without ${row.key}`);
	return value;
}

/** The default in words: `10`, `none`, `auto (the cores of the host, at most 4)`. */
export function describeDefault(row: Pick<ConfigKeyRow, "default" | "defaultDoc">): string {
	return row.defaultDoc ?? (row.default === null ? "none" : String(row.default));
}

/** One line for `--help`, with the default. */
export function describeFlag(row: Pick<ConfigKeyRow, "doc" | "default" | "defaultDoc">): string {
	return `${row.doc} [default: ${describeDefault(row)}]`;
}
