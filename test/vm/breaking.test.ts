/** What people and machines do to a program: kill it, start it twice, fill the disk, feed it garbage. */
import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BOOT_TIMEOUT_MS, Sandbox, tool } from "./harness.ts";

/** Names that only something half-done has. */
const halfDone = (names: readonly string[]) => names.filter((name) => name.endsWith(".tmp"));

test(
	"kill -9 of the launcher at ten moments of the start leaves no QEMU and no half-extracted cache",
	async () => {
		using sandbox = new Sandbox();
		// From the first milliseconds of the extraction to well after the guest is up.
		const moments = [30, 120, 300, 600, 1000, 1600, 2500, 5000, 12_000, 25_000].map(
			(ms) => ms * (0.7 + 0.6 * Math.random()),
		);
		for (const ms of moments) {
			const started = sandbox.start(["run", "--headless-test", "--accel", "tcg"]);
			await Bun.sleep(ms);
			started.kill("SIGKILL");
			await started.outcome;
			const left = await sandbox.lingering(10);
			expect([Math.round(ms), left]).toEqual([Math.round(ms), []]);
		}
		const next = await sandbox.run(["run", "--headless-test", "--accel", "tcg"]);
		expect([next.code, next.stdout]).toEqual([0, expect.stringContaining("all 11 checks passed")]);
		expect(halfDone(sandbox.assets())).toEqual([]);
		expect(sandbox.instances()).toEqual([]);
	},
	3 * BOOT_TIMEOUT_MS,
);

test(
	"Ctrl+C while extracting, starting and booting: ends soon, with 130, and leaves nothing half-done",
	async () => {
		for (const ms of [150, 700, 2500, 8000]) {
			using sandbox = new Sandbox();
			const started = sandbox.start(["run", "--headless-test", "--accel", "tcg"]);
			await Bun.sleep(ms);
			const from = performance.now();
			started.kill("SIGINT");
			const { code, stderr } = await started.outcome;
			// On a busy host the first one comes before anything was begun: then there is nothing to say.
			const said = stderr === "" && ms === 150 ? "" : expect.stringContaining("Interrupted by SIGINT");
			expect([ms, code, stderr]).toEqual([ms, 130, said]);
			expect((performance.now() - from) / 1000).toBeLessThan(10);
			expect(halfDone(sandbox.assets())).toEqual([]);
			expect([sandbox.processes(), sandbox.instances()]).toEqual([[], []]);
		}
	},
	BOOT_TIMEOUT_MS,
);

test(
	"two first runs at once both pass",
	async () => {
		using sandbox = new Sandbox();
		const args = ["run", "--headless-test", "--accel", "tcg"];
		const outcomes = await Promise.all([sandbox.run(args), sandbox.run(args)]);
		for (const { code, stdout } of outcomes)
			expect([code, stdout]).toEqual([0, expect.stringContaining("all 11 checks passed")]);
		expect(halfDone(sandbox.assets())).toEqual([]);
		expect(sandbox.assets().length).toBe(3);
		expect(sandbox.instances()).toEqual([]);
		expect(sandbox.processes()).toEqual([]);
	},
	3 * BOOT_TIMEOUT_MS,
);

test(
	"a damaged cache file is extracted again",
	async () => {
		using sandbox = new Sandbox();
		const first = sandbox.start(["run", "--headless-test", "--accel", "tcg", "-v"]);
		await first.says("booting");
		first.kill("SIGKILL");
		await first.outcome;
		await sandbox.lingering(10);
		const kernel = sandbox.assets().find((name) => name.startsWith("kernel-")) ?? "";
		expect((await sandbox.run(["verify"])).code).toBe(0);
		truncateSync(join(sandbox.cache, "assets", kernel), 1000);
		const verified = await sandbox.run(["verify"]);
		expect([verified.code, verified.stdout]).toEqual([1, expect.stringMatching(/^damaged +kernel +in the cache$/m)]);
		expect(verified.stderr).toContain("virtualghost clean");
		const second = sandbox.start(["run", "--headless-test", "--accel", "tcg", "-v"]);
		await second.says("booting");
		expect(Bun.file(join(sandbox.cache, "assets", kernel)).size).toBeGreaterThan(5e6);
		second.kill("SIGTERM");
		expect((await second.outcome).code).toBe(143);
		expect(await sandbox.lingering(10)).toEqual([]);
	},
	BOOT_TIMEOUT_MS,
);

/** Runs the binary with a cache folder on a disk of `bytes`, which holds `content` already. */
async function runOnSmallDisk(sandbox: Sandbox, bytes: number, content: readonly string[]): Promise<void> {
	const disk = join(sandbox.root, "small");
	mkdirSync(disk);
	expect((await tool(["mount", "-t", "tmpfs", "-o", `size=${bytes},mode=700`, "tmpfs", disk])).code).toBe(0);
	try {
		const assets = join(disk, "virtualghost/assets");
		mkdirSync(assets, { recursive: true });
		for (const path of content) expect((await tool(["cp", path, assets])).code).toBe(0);
		const { code, stderr } = await sandbox.run(["run", "--headless-test"], { env: { XDG_CACHE_HOME: disk } });
		expect([code, stderr]).toEqual([1, expect.stringContaining("The disk is full")]);
		expect(halfDone(readdirSync(assets))).toEqual([]);
		expect(sandbox.instances()).toEqual([]);
	} finally {
		await tool(["umount", disk]);
	}
}

describe.skipIf(process.getuid?.() !== 0)("a full disk: a clear message, and nothing half-done is left", () => {
	test(
		"while the kernel is copied",
		async () => {
			using sandbox = new Sandbox();
			await runOnSmallDisk(sandbox, 9e6, []);
		},
		BOOT_TIMEOUT_MS,
	);

	test(
		"while QEMU is unpacked, by other means",
		async () => {
			using sandbox = new Sandbox();
			const started = sandbox.start(["run", "--headless-test", "-v"]);
			await started.says("booting");
			started.kill("SIGINT");
			await started.outcome;
			const folder = join(sandbox.cache, "assets");
			const images = readdirSync(folder).filter((name) => !name.startsWith("qemu-"));
			const paths = images.map((name) => join(folder, name));
			const bytes = paths.reduce((sum, path) => sum + statSync(path).size, 0);
			// The compressed bundle fits; unpacked it has 90 MB.
			await runOnSmallDisk(sandbox, bytes + 60e6, paths);
		},
		BOOT_TIMEOUT_MS,
	);
});

test(
	"a root file system that is none: the guest says so, and QEMU is gone",
	async () => {
		using sandbox = new Sandbox();
		const garbage = join(sandbox.root, "garbage.img");
		writeFileSync(garbage, randomBytes(1024 * 1024));
		const { code, stdout, stderr } = await sandbox.run([
			"run",
			"--headless-test",
			"--accel",
			"tcg",
			"--rootfs",
			garbage,
		]);
		expect(code).toBe(1);
		expect(stdout + stderr).toMatch(/root/i);
		expect(sandbox.processes()).toEqual([]);
		expect(sandbox.instances()).toEqual([]);
	},
	BOOT_TIMEOUT_MS,
);

test(
	"a kernel that is none: QEMU's own words, not a hang",
	async () => {
		using sandbox = new Sandbox();
		const garbage = join(sandbox.root, "vmlinuz");
		writeFileSync(garbage, randomBytes(64 * 1024));
		const args = ["run", "--headless-test", "--accel", "tcg", "--kernel", garbage, "--boot-timeout", "20"];
		const { code, stderr } = await sandbox.run(args);
		expect([code, stderr]).toEqual([1, expect.stringContaining("did not start")]);
		expect(sandbox.processes()).toEqual([]);
		expect(sandbox.instances()).toEqual([]);
	},
	BOOT_TIMEOUT_MS,
);
