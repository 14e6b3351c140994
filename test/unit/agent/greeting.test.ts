import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readGreeting } from "../../../agent/credentials.ts";
import { CREDENTIAL } from "../../../src/wire/names.ts";

test("name and hint are there, or are not, and neither is needed", () => {
	expect(readGreeting(undefined)).toEqual({ hostname: null, hint: false });
	const folder = mkdtempSync(join(tmpdir(), "vg-greeting-"));
	expect(readGreeting(folder)).toEqual({ hostname: null, hint: false });
	writeFileSync(join(folder, CREDENTIAL.hostname), "calm-otter");
	expect(readGreeting(folder)).toEqual({ hostname: "calm-otter", hint: false });
	writeFileSync(join(folder, CREDENTIAL.hint), "1");
	expect(readGreeting(folder)).toEqual({ hostname: "calm-otter", hint: true });
	rmSync(folder, { recursive: true });
});
