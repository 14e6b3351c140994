/** Every key of a run can be read: one that cannot be would leave a machine without a way in. */
import { expect, test } from "bun:test";
import ssh2 from "ssh2";
import { generateKeyPair } from "../../../src/ssh/keys.ts";

/** ssh2's own generator fails four times in a thousand: this many would hold such a key but once in three thousand runs. */
const KEYS = 2000;

test("all of many keys can be read, private and public", () => {
	const broken: string[] = [];
	for (let i = 0; i < KEYS; i++) {
		const pair = generateKeyPair("test");
		for (const text of [pair.private, pair.public]) if (ssh2.utils.parseKey(text) instanceof Error) broken.push(text);
	}
	expect(broken).toEqual([]);
}, 60_000);
