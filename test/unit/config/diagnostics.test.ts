import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
	closest,
	configFault,
	editDistance,
	formatProblem,
	PROBLEMS_SHOWN_MAX,
	type Problem,
	quoted,
} from "../../../src/config/diagnostics.ts";
import { EXIT, printable } from "../../../src/errors.ts";

describe("editDistance", () => {
	test.each([
		["", "", 0],
		["", "abc", 3],
		["memory", "memory", 0],
		["memroy", "memory", 1],
		["mmory", "memory", 1],
		["kernal", "kernel", 1],
		["kitten", "sitting", 3],
	])("%p to %p is %p", (a, b, distance) => {
		expect(editDistance(a, b)).toBe(distance);
	});

	test("is symmetric, zero only for equals, and never more than the longer text", () => {
		const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 8 });
		fc.assert(
			fc.property(word, word, (a, b) => {
				const distance = editDistance(a, b);
				expect(distance).toBe(editDistance(b, a));
				expect(distance === 0).toBe(a === b);
				expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
				expect(distance).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
			}),
		);
	});
});

test.each([
	["vcpu", "vcpus"],
	["VCPUS", "vcpus"],
	["memroy", "memory"],
	["kernal", "kernel"],
	["frobnicate", undefined],
	["x", undefined],
	["m".repeat(1000), undefined],
])("closest to %p", (name, candidate) => {
	expect(closest(name, ["vcpus", "memory", "kernel", "rootfs", "accel"])).toBe(candidate);
});

test("nothing of a message can drive the terminal", () => {
	fc.assert(
		fc.property(fc.string({ unit: "binary" }), (text) => {
			const shown = [printable(text), quoted(text)];
			const file = { kind: "file", path: text, position: null } as const;
			shown.push(formatProblem({ source: file, key: text, message: "wrong" }));
			// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
			for (const each of shown) expect(each).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202e]/);
		}),
	);
	expect(quoted("a\u001b]0;x\u0007")).toBe('"a\\u{1b}]0;x\\u{7}"');
});

describe("formatProblem", () => {
	test("file, variable and flag", () => {
		const problems: Problem[] = [
			{ source: { kind: "file", path: "/c.toml", position: { line: 3, column: 9 } }, key: "vm.memory", message: "bad" },
			{ source: { kind: "file", path: "/c.toml", position: null }, key: null, message: "too large" },
			{ source: { kind: "env", name: "VIRTUALGHOST_GPUS" }, key: null, message: "unknown", suggestion: "that" },
			{ source: { kind: "flag", flag: "memory" }, key: null, message: "bad" },
			{ source: { kind: "flag", flag: "gpu" }, key: null, message: "bad", excerpt: "1: a\n   ^\n" },
		];
		expect(problems.map(formatProblem).join("\n")).toMatchInlineSnapshot(`
		  "/c.toml:3:9: vm.memory: bad
		  /c.toml: too large
		  VIRTUALGHOST_GPUS: unknown (did you mean that?)
		  --memory: bad
		  --gpu: bad
		      1: a
		         ^"
		`);
	});

	test("a fault lists so many at most", () => {
		const problem: Problem = { source: { kind: "flag", flag: "gpu" }, key: null, message: "bad" };
		const fault = configFault(Array.from({ length: PROBLEMS_SHOWN_MAX + 5 }, () => problem));
		expect(fault.exitCode).toBe(EXIT.usage);
		const lines = fault.message.split("\n");
		expect(lines).toHaveLength(PROBLEMS_SHOWN_MAX + 1);
		expect(lines.at(-1)).toBe("… and 5 more");
	});
});
