/** Every platform's binary is built from this machine, is of its platform, and has the same doors closed. Nothing here runs them. */
import { expect, test } from "bun:test";
import { closeSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { join } from "node:path";
import { tool } from "./harness.ts";

const ROOT = join(import.meta.dir, "../..");

/** File and first bytes by target: ELF with machine AArch64, Mach-O 64 for either processor, MZ. */
const TARGETS = [
	["linux-arm64", "virtualghost-linux-arm64", /^7f454c46.{24}0200b700/],
	["darwin-x64", "virtualghost-darwin-x64", /^cffaedfe07000001/],
	["darwin-arm64", "virtualghost-darwin-arm64", /^cffaedfe0c000001/],
	["windows-x64", "virtualghost-windows-x64.exe", /^4d5a/],
] as const;

test.each(TARGETS)(
	"%s",
	async (target, name, magic) => {
		const file = join(ROOT, "dist", name);
		rmSync(file, { force: true });
		rmSync(join(ROOT, "dist/gen", `${name}.key`), { force: true });
		const built = await tool([process.execPath, join(ROOT, "build.ts"), "--only", "binary", "--target", target]);
		expect([built.code, built.stderr]).toEqual([0, expect.anything()]);
		expect(built.stdout + built.stderr).toMatch(/no QEMU inside|no guest images/);
		const fd = openSync(file, "r");
		const head = Buffer.alloc(32);
		readSync(fd, head);
		closeSync(fd);
		expect(head.toString("hex")).toMatch(magic);
		// Our own sources name the variables in comments only, which the compiler drops.
		expect(readFileSync(file).includes("BUN_BE_BUN")).toBe(false);
		rmSync(file);
	},
	120_000,
);
