import { expect, test } from "bun:test";
import fc from "fast-check";
import { oemStrings, readCredentials, readGreeting } from "../../../agent/credentials.ts";
import { generateKeys } from "../../../src/ssh/keys.ts";
import { CREDENTIAL } from "../../../src/wire/names.ts";

/** One structure of the table: DSP0134, 6.1.2. */
function structure(type: number, fixed: readonly number[], strings: readonly string[]): Buffer {
	const head = Buffer.from([type, 4 + fixed.length, 0, 1, ...fixed]);
	const text = strings.length === 0 ? "\0\0" : `${strings.join("\0")}\0\0`;
	return Buffer.concat([head, Buffer.from(text, "latin1")]);
}

const credential = (name: string, value: string) =>
	`io.systemd.credential.binary:${name}=${Buffer.from(value).toString("base64")}`;
const bios = structure(0, [1, 2, 0, 0, 3], ["Debian", "1.17", "04/01/2014"]);
const end = structure(127, [], []);

test("the keys are found among the firmware's other strings, in one structure or in several", () => {
	const { host, client } = generateKeys();
	const hostKey = credential(CREDENTIAL.hostKey, host.private);
	const authorized = credential(CREDENTIAL.authorizedKey, client.public);
	for (const oem of [
		[structure(11, [3], ["other", hostKey, authorized])],
		[structure(11, [1], [hostKey]), structure(1, [0, 0, 0], []), structure(11, [1], [authorized])],
	]) {
		const credentials = readCredentials(Buffer.concat([bios, ...oem, end]));
		expect(credentials.hostKey).toBe(host.private);
		expect(credentials.authorizedKey.type).toBe("ssh-ed25519");
	}
});

test("without a key, or with something that is none, the agent does not start", () => {
	const { host } = generateKeys();
	const hostKey = credential(CREDENTIAL.hostKey, host.private);
	const table = (...strings: string[]) => Buffer.concat([bios, structure(11, [strings.length], strings), end]);
	expect(() => readCredentials(table(hostKey))).toThrow("handed over no virtualghost.authorized-key");
	expect(() => readCredentials(table(hostKey, credential(CREDENTIAL.authorizedKey, "none")))).toThrow();
	expect(() => readCredentials(Buffer.alloc(0))).toThrow("handed over no");
});

test("name and hint are there, or are not, and neither is needed", () => {
	const table = (...strings: string[]) => Buffer.concat([bios, structure(11, [strings.length], strings), end]);
	const hostname = credential(CREDENTIAL.hostname, "calm-otter");
	expect(readGreeting(Buffer.alloc(0))).toEqual({ hostname: null, hint: false });
	expect(readGreeting(table(hostname))).toEqual({ hostname: "calm-otter", hint: false });
	expect(readGreeting(table(hostname, credential(CREDENTIAL.hint, "1")))).toEqual({
		hostname: "calm-otter",
		hint: true,
	});
});

test("any bytes are a table that ends", () => {
	fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => Array.isArray(oemStrings(Buffer.from(bytes)))));
});
