import { expect, test } from "bun:test";
import fc from "fast-check";
import { loadConfig } from "../../../src/config/load.ts";
import { CONFIG_ROWS } from "../../../src/config/schema.ts";
import { showConfig, showConfigJson } from "../../../src/config/show.ts";

const loaded = loadConfig({
	file: {
		path: "/h/.config/virtualghost/config.toml",
		text: '[vm]\nmemory = "8G"\nkernel = "k\\u007f\\u001b\\"\\\\"\n',
	},
	env: { VIRTUALGHOST_GPU: "software" },
	flags: { vcpus: "2" },
	home: "/h",
	cwd: "/w",
});

test("showConfig", () => {
	expect(showConfig(loaded)).toMatchInlineSnapshot(`
	  "[vm]
	  vcpus = 2                                             # flag --vcpus
	  memory = 8192                                         # file /h/.config/virtualghost/config.toml:2:10
	  kernel = "/h/.config/virtualghost/k\\u007f\\u001b\\"\\\\"  # file /h/.config/virtualghost/config.toml:3:10
	  #rootfs = none                                        # default
	  accel = "auto"                                        # default
	  control = "auto"                                      # default

	  [gpu]
	  mode = "software"                                     # env VIRTUALGHOST_GPU
	  #driver-pack = none                                   # default

	  [display]
	  backend = "auto"                                      # default
	  window = "auto"                                       # default
	  scale = "auto"                                        # default
	  keymap = "auto"                                       # default

	  [terminal]
	  ghostty-config = "auto"                               # default
	  #theme = none                                         # default
	  #font-size = none                                     # default
	  host-fonts = true                                     # default
	  trust-colours = "off"                                 # default

	  [network]
	  mode = "internet"                                     # default
	  #allow = none                                         # default
	  #deny = none                                          # default

	  [disk]
	  #home = none                                          # default

	  [snapshot]
	  auto = true                                           # default
	  disk = 4096                                           # default

	  [qemu]
	  #binary = none                                        # default

	  [logs]
	  keep = 10                                             # default

	  [timeouts]
	  boot = 300                                            # default
	  hung = 30                                             # default
	  "
	`);
});

test("showConfigJson", () => {
	expect(JSON.parse(showConfigJson(loaded))).toEqual({ config: loaded.config, origins: loaded.origins });
});

test("what showConfig writes loads to the same values", () => {
	const flags = fc.record(
		{
			vcpus: fc.oneof(fc.constant("auto"), fc.integer({ min: 1, max: 512 }).map(String)),
			memory: fc.oneof(fc.constant("auto"), fc.integer({ min: 512, max: 16_777_216 }).map(String)),
			kernel: fc.string({ unit: "binary", minLength: 1 }).filter((path) => !path.includes("\0")),
			accel: fc.constantFrom("auto", "kvm", "hvf", "whpx", "tcg"),
			"boot-timeout": fc.integer({ min: 10, max: 3600 }),
		},
		{ requiredKeys: [] },
	);
	fc.assert(
		fc.property(flags, fc.string({ unit: "binary", minLength: 1 }), (given, path) => {
			const where = { env: {}, home: "/h", cwd: "/w" };
			const first = loadConfig({ ...where, file: { path, text: "[logs]\nkeep = 3" }, flags: given });
			const text = showConfig(first);
			const again = loadConfig({ ...where, file: { path: "/x.toml", text }, flags: {} });
			expect(again.config).toEqual(first.config);
			expect(text.split("\n").filter((line) => line.includes(" = "))).toHaveLength(CONFIG_ROWS.length);
		}),
	);
});
