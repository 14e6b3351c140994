/** The main proof: the file alone, in an empty folder with an empty HOME, passes its own headless test. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BOOT_TIMEOUT_MS, Sandbox } from "./harness.ts";

interface Report {
	ok: boolean;
	accelerator: string;
	checks: { name: string; ok: boolean; detail: string }[];
}

test(
	"the copied file passes --headless-test with nothing else in reach",
	async () => {
		using sandbox = new Sandbox();
		const binary = sandbox.copyBinary();
		const picture = join(sandbox.cwd, "shot.png");
		const { code, stdout, stderr } = await sandbox.run(["run", "--headless-test", "--json", "--screenshot", picture], {
			binary,
		});
		const report = JSON.parse(stdout) as Report;
		expect(report.checks.filter((check) => !check.ok)).toEqual([]);
		expect([code, report.ok, report.checks.length]).toEqual([0, true, 11]);
		expect(existsSync(picture)).toBe(true);
		expect(sandbox.processes()).toEqual([]);
		expect(sandbox.instances()).toEqual([]);
		// Where KVM opens but cannot run the guest, one warning says so, and the next start knows.
		if (stderr.includes("KVM cannot run the guest")) {
			expect(stderr.match(/warning/g)?.length).toBe(1);
			const again = sandbox.start(["run", "--headless-test", "-v"]);
			await again.says("since kvm failed here");
			again.kill("SIGINT");
			expect((await again.outcome).code).toBe(130);
			expect(await sandbox.lingering(5)).toEqual([]);
			const explicit = await sandbox.run(["run", "--headless-test", "--accel", "kvm"]);
			expect([explicit.code, explicit.stderr]).toEqual([1, expect.stringContaining("did not start with KVM")]);
		}
		const cleaned = await sandbox.run(["clean"]);
		expect(cleaned.stdout).toMatch(/removed [1-9]\d+\.\d MiB/);
		expect(existsSync(sandbox.cache)).toBe(false);
	},
	3 * BOOT_TIMEOUT_MS,
);
