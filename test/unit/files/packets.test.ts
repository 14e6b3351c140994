/** Bytes from the guest: whatever they are, an answer or the end of the connection; never an exception of another kind, never unbounded memory. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BadPacket, decodeRequest, PACKET_BYTES_MAX, PacketSplitter } from "../../../src/files/share/packets.ts";
import { requestBytes, word } from "./sftp.ts";

const types = fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(1, 3, 4, 5, 6, 9, 10, 14, 18, 20, 200));

describe("a request", () => {
	test("of any bytes is one, or refused", () => {
		fc.assert(
			fc.property(types, fc.uint8Array({ maxLength: 300 }), (type, bytes) => {
				try {
					expect(typeof decodeRequest(Buffer.concat([Buffer.of(type), bytes])).op).toBe("string");
				} catch (error) {
					expect(error).toBeInstanceOf(BadPacket);
				}
			}),
			{ numRuns: 3000 },
		);
	});

	test("that is cut off anywhere is refused", () => {
		const whole = requestBytes(3, 1, "/some/file", 0x1a, 4, 0o644);
		expect(decodeRequest(whole)).toMatchObject({ op: "open", id: 1, flags: 0x1a, attributes: { mode: 0o644 } });
		for (let length = 1; length < whole.length; length++) {
			expect(() => decodeRequest(whole.subarray(0, length))).toThrow(BadPacket);
		}
	});

	test("with lengths and counts beyond its bytes is refused at once", () => {
		expect(() => decodeRequest(requestBytes(14, 1, "/d", 0x8000_0000, 0xffff_ffff))).toThrow(BadPacket);
		expect(() => decodeRequest(Buffer.concat([requestBytes(7, 1), word(0xffff_ffff)]))).toThrow(BadPacket);
		expect(() => decodeRequest(requestBytes(7, 1, `/${"x".repeat(5000)}`))).toThrow(BadPacket);
		expect(() => decodeRequest(requestBytes(5, 1, Buffer.alloc(4), 2n ** 63n, 1))).toThrow(BadPacket);
		expect(() => decodeRequest(requestBytes(7, 1, "/a\0b"))).toThrow(BadPacket);
	});
});

describe("the stream", () => {
	test("is cut into its packets, however it arrives", () => {
		fc.assert(
			fc.property(
				fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 })),
				fc.integer({ min: 1, max: 17 }),
				(packets, step) => {
					const all = Buffer.concat(packets.flatMap((each) => [word(each.length), Buffer.from(each)]));
					const splitter = new PacketSplitter();
					const found: Buffer[] = [];
					for (let at = 0; at < all.length; at += step)
						found.push(...splitter.push(all.subarray(at, at + step)).map((each) => Buffer.from(each)));
					expect(found.map((each) => each.toString("hex"))).toEqual(
						packets.map((each) => Buffer.from(each).toString("hex")),
					);
				},
			),
		);
	});

	test("with a length that no packet has ends", () => {
		for (const length of [0, PACKET_BYTES_MAX + 1, 0xffff_ffff])
			expect(() => new PacketSplitter().push(word(length))).toThrow(BadPacket);
		expect(new PacketSplitter().push(word(PACKET_BYTES_MAX))).toEqual([]);
	});
});
