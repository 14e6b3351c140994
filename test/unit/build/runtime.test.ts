import { expect, test } from "bun:test";
import { closeDoors } from "../../../vm-assets/build/runtime.ts";

test("each name is blanked everywhere, and nothing else changes", () => {
	const closed = closeDoors(Buffer.from("xBUN_BE_BUN\0y BUN_OPTIONSBUN_OPTIONS z BUN_INSPECT_PRELOAD BUN_INSPECT"));
	expect(closed.toString().replaceAll("\0", ".")).toBe(
		`x${".".repeat(11)}y ${".".repeat(22)} z ${".".repeat(19)} BUN_INSPECT`,
	);
});

test("a Bun that does not hold a name is refused: its door must be found again", () => {
	expect(() => closeDoors(Buffer.from("BUN_BE_BUN BUN_OPTIONS"))).toThrow("does not hold the name BUN_INSPECT_PRELOAD");
});
