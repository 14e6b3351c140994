/** A session that goes wrong: the user is told why, by its own log; no restart loop, no black window. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { BOOT_TIMEOUT_MS, Sandbox, tool } from "./harness.ts";
import { makeRootImage } from "./rootfs.ts";
import { XServer } from "./xserver.ts";

const CRASHING = "#!/bin/sh\necho 'foot: my own words about what is wrong' >&2\nexit 3\n";

describe.skipIf(process.getuid?.() !== 0)("a terminal that ends at once", () => {
	test(
		"in a window: the launcher ends with its log and exit code 1",
		async () => {
			using sandbox = new Sandbox();
			await using x = await XServer.start();
			const image = join(sandbox.root, "root.erofs");
			await makeRootImage(image, sandbox.root, { "usr/bin/foot": CRASHING });
			const { code, stderr } = await sandbox.run(["--rootfs", image, "--accel", "tcg"], { env: x.env });
			expect(code).toBe(1);
			expect(stderr).toContain("The terminal did not start");
			expect(stderr).toContain("my own words about what is wrong");
			expect(sandbox.processes()).toEqual([]);
			expect(sandbox.instances()).toEqual([]);
		},
		BOOT_TIMEOUT_MS,
	);
});

test("where nobody sees stderr, a dialog shows the error and where the log is", async () => {
	using sandbox = new Sandbox();
	await using x = await XServer.start();
	// As a file manager starts it: no terminal, output to nowhere. A kernel that is missing is the quickest failure.
	const env = { ...sandbox.env, ...x.env, PATH: "/usr/bin:/bin", VIRTUALGHOST_KERNEL: "/nonexistent/kernel" };
	const binary = sandbox.copyBinary();
	const child = Bun.spawn([binary], { env, cwd: sandbox.cwd, stdio: ["ignore", "ignore", Bun.file("/dev/null")] });
	let window = "";
	for (let i = 0; i < 100 && window === ""; i++) {
		const found = await tool(["xdotool", "search", "--onlyvisible", "--name", "VirtualGhost"], {
			env: { ...process.env, ...x.env },
		});
		window = found.stdout.trim().split("\n")[0] ?? "";
		if (window === "") await Bun.sleep(100);
	}
	expect(window).not.toBe("");
	await x.screenshot(join(import.meta.dir, "../../dist/pictures/dialog.png"));
	await tool(["xdotool", "windowkill", window], { env: { ...process.env, ...x.env } });
	expect(await child.exited).toBe(2);
}, 30_000);
