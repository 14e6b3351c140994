import { describe, expect, test } from "bun:test";
import { type ConfigSources, loadConfig } from "../../../src/config/load.ts";

const NOTHING: ConfigSources = { file: null, env: {}, flags: {}, home: "/home/u", cwd: "/work" };

function withText(text: string): ConfigSources {
	return { ...NOTHING, file: { path: "/etc/vg/config.toml", text } };
}

describe("precedence", () => {
	const file = { path: "/etc/vg/config.toml", text: '[vm]\nvcpus = 2\nmemory = "2G"\naccel = "kvm"\n' };
	const env = { VIRTUALGHOST_MEMORY: "3G", VIRTUALGHOST_ACCEL: "tcg", HOME: "/x" };
	const loaded = loadConfig({ ...NOTHING, file, env, flags: { accel: "hvf", other: true } });

	test("defaults < file < environment < flags", () => {
		expect(loaded.config.vm).toMatchObject({ vcpus: 2, memoryMiB: 3072, kernel: null, rootfs: null, accel: "hvf" });
	});

	test("origins say where", () => {
		expect(loaded.origins["vm.vcpus"]).toEqual({ origin: "file", detail: "/etc/vg/config.toml:2:9" });
		expect(loaded.origins["vm.memory"]).toEqual({ origin: "env", detail: "VIRTUALGHOST_MEMORY" });
		expect(loaded.origins["vm.accel"]).toEqual({ origin: "flag", detail: "--accel" });
		expect(loaded.origins["vm.kernel"]).toEqual({ origin: "default", detail: "" });
	});
});

describe("values", () => {
	test.each(['vcpus = "auto"', 'memory = "auto"', "vcpus = 0x10", "vcpus = 1_0", "memory = 4096", 'memory = "1.5G"'])(
		"%s",
		(line) => {
			expect(
				Object.values(loadConfig(withText(`[vm]\n${line}\n`)).origins).some(({ origin }) => origin === "file"),
			).toBe(true);
		},
	);

	test("flags and variables are read like the file, numbers of yargs too", () => {
		const { config } = loadConfig({
			...NOTHING,
			env: { VIRTUALGHOST_BOOT_TIMEOUT: " 60 ", VIRTUALGHOST_MEMORY: "2048" },
			flags: { vcpus: 8, "logs-keep": "5" },
		});
		expect(config.timeouts.bootSeconds).toBe(60);
		expect(config.vm.memoryMiB).toBe(2048);
		expect(config.vm.vcpus).toBe(8);
		expect(config.logs.keep).toBe(5);
	});

	test("an empty variable counts as unset, a reserved one is left alone", () => {
		const env = { VIRTUALGHOST_MEMORY: "", VIRTUALGHOST_BUILD_CACHE: "/c", VIRTUALGHOST_SESSION: "1", PATH: "/bin" };
		expect(loadConfig({ ...NOTHING, env }).origins["vm.memory"].origin).toBe("default");
	});

	test("a byte-order mark and CRLF are accepted, and the columns stay right", () => {
		const loaded = loadConfig(withText("\ufeffvm.vcpus = 3\r\nvm.memory = 4096\r\n"));
		expect(loaded.config.vm.vcpus).toBe(3);
		expect(loaded.origins["vm.vcpus"].detail).toEndWith(":1:12");
		expect(loaded.origins["vm.memory"].detail).toEndWith(":2:13");
	});
});

describe("paths", () => {
	test("start at the file's folder, the working directory or home", () => {
		const sources = withText('[vm]\nkernel = "../k"\nrootfs = "~/r"\n');
		const { config } = loadConfig({ ...sources, env: { VIRTUALGHOST_QEMU: "bin/qemu" } });
		expect([config.vm.kernel, config.vm.rootfs, config.qemu.binary]).toEqual(["/etc/k", "/home/u/r", "/work/bin/qemu"]);
		const flags = { kernel: "~", rootfs: "~other/r", qemu: "/usr/bin/q" };
		const flagged = loadConfig({ ...NOTHING, flags }).config;
		expect([flagged.vm.kernel, flagged.vm.rootfs, flagged.qemu.binary]).toEqual([
			"/home/u",
			"/work/~other/r",
			"/usr/bin/q",
		]);
	});

	test("a file named relative to the working directory", () => {
		const file = { path: "conf/c.toml", text: 'vm.kernel = "k"' };
		expect(loadConfig({ ...NOTHING, file }).config.vm.kernel).toBe("/work/conf/k");
	});

	test("follow the rules of Windows where the working directory does", () => {
		const { config } = loadConfig({
			file: { path: "C:\\Users\\u\\vg\\c.toml", text: "vm.kernel = 'k\\a'\nvm.rootfs = '~\\r'\nqemu.binary = '~/q'" },
			env: { VirtualGhost_Memory: "1G" },
			flags: {},
			home: "C:\\Users\\u",
			cwd: "D:\\work",
		});
		expect(config.vm.kernel).toBe("C:\\Users\\u\\vg\\k\\a");
		expect([config.vm.rootfs, config.qemu.binary]).toEqual(["C:\\Users\\u\\r", "C:\\Users\\u\\q"]);
		expect(config.vm.memoryMiB).toBe(1024);
	});
});
