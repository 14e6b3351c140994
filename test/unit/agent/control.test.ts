/** The control subsystem against clients that say anything. `poweroff` and `set-clock` would act on this host: never sent. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ControlClient } from "../../../agent/control.ts";
import packageJson from "../../../package.json" with { type: "json" };
import { CONTROL_LINE_BYTES_MAX, controlReplySchema } from "../../../src/wire/control.ts";
import { PROTOCOL_VERSION } from "../../../src/wire/names.ts";

const HELLO = JSON.stringify({ op: "hello", protocol: PROTOCOL_VERSION });
const STATE = JSON.stringify({ op: "state" });

async function greeted(): Promise<ControlClient> {
	const client = new ControlClient();
	expect((await client.reply(HELLO)).ok).toBe(true);
	return client;
}

const harmless = (line: string) => !/poweroff|set-clock|\\u/i.test(line);
const value = fc.oneof(fc.jsonValue(), fc.constantFrom(-1, 1e308, 2 ** 53, "1", null, true, { width: 64, height: 64 }));
const nearlyRequest = fc
	.record(
		{ op: fc.oneof(fc.constantFrom("hello", "state", "Hello", "", "exec"), value), protocol: value },
		{ requiredKeys: [] },
	)
	.map((request) => JSON.stringify(request));
/** `screen` with a size that can be would change this host's. */
const badScreen = fc
	.record({ width: fc.constantFrom(-1, 0, 63, 16_385, 1.5, "800", null), height: value })
	.map((size) => JSON.stringify({ op: "screen", size }));
const line = fc
	.oneof(
		fc.string({ unit: "binary" }),
		fc.json(),
		nearlyRequest,
		badScreen,
		fc.constantFrom(
			"",
			"{}",
			"[]",
			"null",
			HELLO,
			STATE,
			'{"__proto__":{"op":"state"}}',
			"[".repeat(CONTROL_LINE_BYTES_MAX),
		),
	)
	.filter(harmless);

describe.each(["greeted", "not greeted"])("a client, %s", (kind) => {
	test("gets one reply to any line, and nothing throws", async () => {
		await fc.assert(
			fc.asyncProperty(fc.array(line, { maxLength: 10 }), async (lines) => {
				const client = kind === "greeted" ? await greeted() : new ControlClient();
				for (const each of lines) {
					const reply = await client.reply(each);
					expect(controlReplySchema.parse(reply)).toEqual(reply);
					expect(JSON.stringify(reply).length).toBeLessThan(CONTROL_LINE_BYTES_MAX);
				}
			}),
		);
	});
});

test("hello comes first", async () => {
	const client = new ControlClient();
	expect(await client.reply(STATE)).toEqual({ ok: false, error: "the first request must be a hello" });
	expect(await client.reply(HELLO)).toEqual({ ok: true, protocol: PROTOCOL_VERSION, version: packageJson.version });
	expect(await client.reply(STATE)).toMatchObject({ ok: true, session: expect.any(String) });
	// Another client has to say it itself.
	expect((await new ControlClient().reply(STATE)).ok).toBe(false);
});

test("another protocol is refused with both versions, and opens nothing", async () => {
	const client = new ControlClient();
	for (const protocol of [0, PROTOCOL_VERSION + 1, -1]) {
		const reply = await client.reply(JSON.stringify({ op: "hello", protocol }));
		expect(reply).toEqual({
			ok: false,
			error: `the guest's agent ${packageJson.version} speaks protocol ${PROTOCOL_VERSION}, the launcher ${protocol}`,
		});
	}
	expect((await client.reply(STATE)).ok).toBe(false);
});

test("what is no request is told apart from what is no JSON", async () => {
	const client = await greeted();
	for (const text of ["", "hello", "{", HELLO.slice(0, -1), `${HELLO} ${HELLO}`]) {
		expect(await client.reply(text)).toEqual({ ok: false, error: "not a JSON line" });
	}
	for (const text of [
		"{}",
		"null",
		"5",
		'{"op":"exec"}',
		'{"op":"hello"}',
		'{"op":"hello","protocol":"1"}',
		'{"op":5}',
	]) {
		expect(await client.reply(text)).toEqual({ ok: false, error: "unknown request" });
	}
});
