import { expect, test } from "bun:test";
import { requireBdf } from "../../../src/cli/gpu.ts";
import { asciiJson } from "../../../src/cli/gpu-text.ts";
import { EXIT } from "../../../src/errors.ts";
import { faultOf } from "../fault-of.ts";

const flags = { action: "plan", json: false, force: false };

test("an address in any of its forms", () => {
	expect(requireBdf({ ...flags, bdf: "01:00.0" })).toBe("0000:01:00.0");
	expect(requireBdf({ ...flags, bdf: "0000:0A:00.1" })).toBe("0000:0a:00.1");
});

test("no address, and what is none, are errors of use", () => {
	for (const given of [flags, { ...flags, bdf: "" }, { ...flags, bdf: "\u001b[2J" }]) {
		const fault = faultOf(() => requireBdf(given));
		expect(fault.exitCode).toBe(EXIT.usage);
		expect(fault.message).not.toContain("\u001b");
	}
});

test("JSON keeps every character, as ASCII", () => {
	const value = { text: "ü👻\u009b\u202e\u007f\ud800\n" };
	expect(asciiJson(value)).toMatch(/^[\n -~]*$/);
	expect(JSON.parse(asciiJson(value))).toEqual(value);
});
