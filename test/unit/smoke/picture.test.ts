import { expect, test } from "bun:test";
import fc from "fast-check";
import { Fault } from "../../../src/errors.ts";
import { keysFor } from "../../../src/smoke/keyboard.ts";
import { changedPixels, drawnShare, parsePpm } from "../../../src/smoke/picture.ts";

function ppm(width: number, height: number, pixels: readonly number[]): Uint8Array {
	return Buffer.concat([Buffer.from(`P6\n${width} ${height}\n255\n`), Buffer.from(pixels)]);
}

test("a picture is read, and compared", () => {
	const blank = parsePpm(ppm(2, 2, Array(12).fill(7)));
	const drawn = parsePpm(ppm(2, 2, [7, 7, 7, 7, 7, 7, 7, 7, 7, 9, 9, 9]));
	expect(drawnShare(blank)).toBe(0);
	expect(drawnShare(drawn)).toBe(0.25);
	expect(changedPixels(blank, drawn)).toBe(1);
	expect(changedPixels(blank, blank)).toBe(0);
});

test("bytes of a guest are a picture or a Fault, nothing else", () => {
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(99999), fc.nat(99999), (bytes, width, height) => {
			const head = Buffer.from(`P6\n${width} ${height}\n255\n`);
			for (const input of [bytes, Buffer.concat([head, bytes])]) {
				try {
					const picture = parsePpm(input);
					expect(picture.pixels.length).toBe(picture.width * picture.height * 3);
				} catch (error) {
					expect(error).toBeInstanceOf(Fault);
				}
			}
		}),
	);
});

test("every printable ASCII character has its keys", () => {
	for (let code = 0x20; code < 0x7f; code++) {
		const keys = keysFor(String.fromCharCode(code));
		expect(keys.length === 1 || (keys.length === 2 && keys[0] === "shift")).toBe(true);
	}
	expect(keysFor("\n")).toEqual(["ret"]);
	expect(() => keysFor("ß")).toThrow(RangeError);
});
