/** Logs whose writer is a guest: bounded on the disk, and their last words are kept. */
import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { LOG_BYTES_MAX, RunLogs } from "../../../src/vm/logs.ts";

test("a log and its older half stay within 1 MB, whatever is written in whatever pieces, and end with what came last", () => {
	const state = mkdtempSync(join(tmpdir(), "vg-logs-"));
	try {
		const sizes = fc.array(fc.integer({ min: 1, max: 3 * LOG_BYTES_MAX }), { minLength: 1, maxLength: 12 });
		fc.assert(
			fc.property(sizes, (pieces) => {
				const logs = RunLogs.create(state, "flooded", 1, new Set());
				using log = logs.open("serial");
				for (const [i, size] of pieces.entries()) log.write(Buffer.alloc(size, 65 + i));
				const files = readdirSync(logs.folder).filter((name) => name.startsWith("serial"));
				const bytes = files.reduce((sum, name) => sum + statSync(join(logs.folder, name)).size, 0);
				expect(bytes).toBeLessThanOrEqual(LOG_BYTES_MAX);
				expect(readFileSync(log.path).at(-1)).toBe(65 + pieces.length - 1);
				expect(log.size).toBe(statSync(log.path).size);
			}),
			{ numRuns: 60 },
		);
	} finally {
		rmSync(state, { recursive: true, force: true });
	}
});
