/** New disks are judged by QEMU's own tool. */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { emptyQcow2, QCOW2_BYTES_MAX, qcow2SizeBytes } from "../../../src/files/qcow2.ts";

const MIB = 1024 * 1024;

async function qemuImg(args: readonly string[]): Promise<{ code: number; stdout: string }> {
	const child = Bun.spawn(["qemu-img", ...args], { stdout: "pipe", stderr: "pipe" });
	return { stdout: await new Response(child.stdout).text(), code: await child.exited };
}

describe("an empty disk", () => {
	test("is what qemu-img takes for a sound qcow2 of that size, without a leak, and reads as zeros", async () => {
		const folder = mkdtempSync(join(tmpdir(), "vg-qcow2-"));
		try {
			const zeros = join(folder, "zeros");
			writeFileSync(zeros, Buffer.alloc(MIB));
			for (const sizeMiB of [1, 64, 511, 512, 513, 32 * 1024, QCOW2_BYTES_MAX / MIB]) {
				const path = join(folder, `${sizeMiB}.qcow2`);
				writeFileSync(path, emptyQcow2(sizeMiB));
				const info = JSON.parse((await qemuImg(["info", "--output=json", path])).stdout) as Record<string, unknown>;
				expect(info).toMatchObject({ format: "qcow2", "virtual-size": sizeMiB * MIB });
				const check = await qemuImg(["check", "--output=json", path]);
				expect(check.code).toBe(0);
				const counts = JSON.parse(check.stdout) as Record<string, number>;
				expect([counts["check-errors"], counts.corruptions ?? 0, counts.leaks ?? 0]).toEqual([0, 0, 0]);
				if (sizeMiB === 1) expect((await qemuImg(["compare", "-F", "raw", path, zeros])).code).toBe(0);
			}
		} finally {
			rmSync(folder, { recursive: true });
		}
	});

	test("says its size", () => {
		fc.assert(
			fc.property(fc.integer({ min: 1, max: QCOW2_BYTES_MAX / MIB }), (sizeMiB) => {
				expect(qcow2SizeBytes(emptyQcow2(sizeMiB).subarray(0, 112))).toBe(sizeMiB * MIB);
			}),
			{ numRuns: 50 },
		);
	});

	test("has a size", () => {
		for (const wrong of [0, -1, 1.5, Number.NaN, QCOW2_BYTES_MAX / MIB + 1])
			expect(() => emptyQcow2(wrong)).toThrow(RangeError);
	});
});

describe("a file that is there", () => {
	test("may be anything", () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
				const size = qcow2SizeBytes(bytes);
				expect(size === null || size > 0).toBe(true);
			}),
		);
	});

	test("that leads to another file is none of ours", () => {
		const backed = emptyQcow2(64);
		backed.writeBigUInt64BE(4096n, 8);
		const external = emptyQcow2(64);
		external.writeBigUInt64BE(4n, 72);
		expect([qcow2SizeBytes(backed), qcow2SizeBytes(external)]).toEqual([null, null]);
	});
});
