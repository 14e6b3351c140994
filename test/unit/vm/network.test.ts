/** Names in network rules. */
import { expect, test } from "bun:test";
import { Fault } from "../../../src/errors.ts";
import { resolvePolicy } from "../../../src/vm/network.ts";

const base = { mode: "internet", allow: null, deny: null } as const;

test("addresses stay as they are, and no network needs no policy", async () => {
	const rules = ["10.0.0.0/8:443", "[fd00::1]:22"];
	expect(await resolvePolicy({ ...base, allow: rules })).toEqual({ mode: "internet", allow: rules, deny: [] });
	expect(await resolvePolicy({ ...base, mode: "none", deny: rules })).toBeNull();
});

test("a name becomes all of its addresses, each with the port", async () => {
	const policy = await resolvePolicy({ ...base, deny: ["localhost:8080"] });
	expect(policy?.deny).toContain("127.0.0.1:8080");
	for (const rule of policy?.deny ?? []) expect(["127.0.0.1:8080", "[0:0:0:0:0:0:0:1]:8080"]).toContain(rule);
});

test("a name that is not known ends the start", async () => {
	const policy = resolvePolicy({ ...base, allow: ["no-such-host.invalid"] });
	await expect(policy).rejects.toBeInstanceOf(Fault);
	await expect(policy).rejects.toThrow("The host no-such-host.invalid of a network rule cannot be looked up");
});
