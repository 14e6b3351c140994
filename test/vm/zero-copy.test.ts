/** Images used where they lie in the executable: what is copied, and that a machine does not mind what becomes of the file. */
import { afterAll, expect, test } from "bun:test";
import {
	chmodSync,
	chownSync,
	closeSync,
	copyFileSync,
	openSync,
	renameSync,
	rmSync,
	statSync,
	writeSync,
} from "node:fs";
import { join } from "node:path";
import { BINARY, BOOT_TIMEOUT_MS, Sandbox, tool } from "./harness.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox[Symbol.dispose](), BOOT_TIMEOUT_MS);

const FLAGS = ["--accel", "tcg", "--vcpus", "2", "--display", "none", "--gpu", "none", "--memory", "1G"] as const;
/** Copied to the cache by a first run: kernel and initramfs, and QEMU unpacked (docs/decisions/zero-copy.md). */
const COPIED_MAX_BYTES = 110e6;
/** Reads all that the images hold, and fails where one block cannot be read. `-xdev` would stop at no disk: they are one file system. */
const READ_ALL = "find /usr /etc /var -xdev -type f -exec cat {} + > /dev/null";

async function diskUse(path: string): Promise<number> {
	const { stdout } = await tool(["du", "--block-size=1", "--summarize", path]);
	return Number(stdout.split("\t")[0]);
}

function copyOfBinary(): string {
	const path = join(sandbox.root, "virtualghost");
	copyFileSync(BINARY, path);
	chmodSync(path, 0o755);
	return path;
}

test(
	"a first run copies kernel, initramfs and QEMU, no image; replaced and deleted, the executable is still the machine's disk",
	async () => {
		const binary = copyOfBinary();
		const vg = (args: readonly string[]) => tool([binary, ...args], { env: sandbox.env });
		const started = await vg(["run", "--detach", "--name", "moved", ...FLAGS]);
		expect([started.code, started.stderr]).toEqual([0, started.stderr]);
		expect(sandbox.assets().map((name) => name.split("-")[0])).toEqual(["initramfs", "kernel", "qemu"]);
		const copied = await diskUse(sandbox.cache);
		console.log(`first run: ${(copied / 1e6).toFixed(0)} MB copied to the cache`);
		expect(copied).toBeLessThanOrEqual(COPIED_MAX_BYTES);

		// An upgrade: another file under the same name. Then it is gone altogether.
		const other = join(sandbox.root, "other");
		copyFileSync(BINARY, other);
		const fd = openSync(other, "r+");
		for (let at = 64 * 1024; at < statSync(other).size; at += 1 << 20)
			writeSync(fd, Buffer.alloc(8192, 0x55), 0, 8192, at);
		closeSync(fd);
		renameSync(other, binary);
		rmSync(binary);
		const exec = (script: string) =>
			tool([BINARY, "exec", "moved", "--root", "--", "sh", "-c", script], { env: sandbox.env });
		const dropped = await exec(`echo 3 > /proc/sys/vm/drop_caches; ${READ_ALL} && echo all read`);
		expect([dropped.code, dropped.stdout, dropped.stderr]).toEqual([0, "all read\n", ""]);
		const kernel = await exec("dmesg | grep -iE 'erofs.*(error|corrupt|fail)|I/O error' || true");
		expect(kernel.stdout).toBe("");
		expect((await tool([BINARY, "stop", "moved"], { env: sandbox.env })).code).toBe(0);
		expect([await sandbox.lingering(10), sandbox.instances()]).toEqual([[], []]);
	},
	2 * BOOT_TIMEOUT_MS,
);

test(
	"an executable without its list of images (cut short by a download, repacked): images are extracted, and the machine starts",
	async () => {
		using other = new Sandbox();
		const binary = join(other.root, "virtualghost");
		copyFileSync(BINARY, binary);
		const size = statSync(binary).size;
		expect((await tool(["truncate", "-s", String(size - 1), binary])).code).toBe(0);
		chmodSync(binary, 0o755);
		const run = await tool([binary, "run", "-v", ...FLAGS, "--", "echo", "up"], { env: other.env });
		expect([run.code, run.stdout]).toEqual([0, "up\n"]);
		expect(run.stderr).toContain("images: extracted to the cache (the executable does not say where its images lie)");
		expect(other.assets().map((name) => name.split("-")[0])).toEqual([
			...["guest", "initramfs", "kernel", "qemu", "root"],
		]);
	},
	BOOT_TIMEOUT_MS,
);

/** A user who may run a program may not have to be able to read it. */
const NOBODY = 65534;

test.skipIf(process.getuid?.() !== 0)(
	"an executable that its user cannot read (mode 0111): extracted out of the running program",
	async () => {
		using other = new Sandbox();
		const binary = join(other.root, "virtualghost");
		copyFileSync(BINARY, binary);
		chmodSync(binary, 0o111);
		chmodSync(other.root, 0o755);
		for (const folder of [other.home, other.cwd, other.runtime]) chownSync(folder, NOBODY, NOBODY);
		const argv = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", binary];
		const env = { ...other.env, PATH: "/usr/bin:/bin" };
		const run = await tool([...argv, "run", "-v", ...FLAGS, "--", "echo", "up"], { env, cwd: other.cwd });
		expect([run.code, run.stdout]).toEqual([0, "up\n"]);
		expect(run.stderr).toContain("images: extracted to the cache (the executable cannot be read:");
	},
	BOOT_TIMEOUT_MS,
);

test(
	"an executable whose image was changed is refused by doctor, and not used in place if it begins otherwise",
	async () => {
		using other = new Sandbox();
		const binary = join(other.root, "virtualghost");
		copyFileSync(BINARY, binary);
		chmodSync(binary, 0o755);
		const images = async () => {
			const { stdout } = await tool([binary, "doctor", "--json"], { env: other.env });
			const { findings } = JSON.parse(stdout) as { findings: { topic: string; verdict: string; text: string }[] };
			return findings.find(({ topic }) => topic === "images");
		};
		expect(await images()).toMatchObject({ verdict: "ok", text: expect.stringContaining("whole") });
		const { stdout } = await tool([binary, "run", "--dry-run", "--headless-test"], { env: other.env });
		const offset = Number(/node-name=root,read-only=on,offset=(\d+)/.exec(stdout)?.[1]);
		expect(offset).toBeGreaterThan(0);
		const change = (at: number) => {
			const fd = openSync(binary, "r+");
			writeSync(fd, Buffer.alloc(16, 0x55), 0, 16, at);
			closeSync(fd);
		};
		// Between two samples: a start does not see it, doctor does.
		change(offset + 4096 + 8192);
		expect(await images()).toMatchObject({ verdict: "no", text: expect.stringContaining("root") });
		change(offset + 1024);
		expect(await images()).toMatchObject({ verdict: "slow", text: expect.stringContaining("extracted") });
	},
	BOOT_TIMEOUT_MS,
);
