import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { readDynamic } from "../../../vm-assets/build/elf.ts";

const isLinux = process.platform === "linux";

test.if(isLinux)("needed libraries of a real executable are found", () => {
	const dynamic = readDynamic(readFileSync(process.execPath));
	expect(dynamic?.needed.some((name) => /^libc(\.|\b)/.test(name))).toBe(true);
	expect(dynamic?.soname).toBeNull();
});

test("what is no ELF file has no dynamic section", () => {
	expect(readDynamic(new TextEncoder().encode("#!/bin/sh\n".repeat(20)))).toBeNull();
	expect(readDynamic(new Uint8Array())).toBeNull();
});
