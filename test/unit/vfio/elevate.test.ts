/** How the helper is started, and what it can be told. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { gpuHelper } from "../../../src/cli/gpu-helper.ts";
import { EXIT, Fault } from "../../../src/errors.ts";
import { isBdf } from "../../../src/vfio/bdf.ts";
import { elevation, type Situation } from "../../../src/vfio/elevate.ts";
import { askingUser, type HelperRequest, helperWords, parseHelperWords } from "../../../src/vfio/grammar.ts";
import { faultOf } from "../fault-of.ts";

const GPU = "0000:01:00.0";
const HOLD = { verb: "hold", gpu: GPU, force: false } as const;
const USER: Situation = { uid: 1000, terminal: true, desktop: true, sudo: "/usr/bin/sudo", pkexec: "/usr/bin/pkexec" };
const PROGRAM = "/home/me/virtualghost";
/** All that a hostile or careless environment may hold. */
const ENV = {
	PATH: "/home/me/bin:/usr/bin",
	LD_PRELOAD: "/tmp/x.so",
	BUN_OPTIONS: "--preload /tmp/x.ts",
	NODE_OPTIONS: "--require /tmp/x.js",
	SUDO_ASKPASS: "/tmp/ask",
	SUDO_UID: "1000",
	SSH_AUTH_SOCK: "/tmp/agent",
	GITHUB_TOKEN: "secret",
	XDG_CONFIG_HOME: "/tmp/config",
	VIRTUALGHOST_CONFIG: "/tmp/config.toml",
	DISPLAY: ":0",
	LANG: "de_AT.UTF-8",
	TERM: "xterm",
};

describe("elevation", () => {
	const made = (change: Partial<Situation>, request: HelperRequest = HOLD) =>
		elevation({ ...USER, ...change }, PROGRAM, request, ENV);

	test("on a terminal sudo asks, and says what for", () => {
		expect(made({})).toEqual({
			how: "sudo",
			argv: [
				"/usr/bin/sudo",
				"-p",
				"[sudo] password of %p, for the GPU 0000:01:00.0: ",
				"--",
				PROGRAM,
				"gpu-helper",
				"hold",
				GPU,
			],
			env: { PATH: expect.stringMatching(/^\/usr\/sbin:/), LANG: "de_AT.UTF-8", TERM: "xterm" },
			interactive: true,
		});
	});

	test("on a desktop without a terminal pkexec does", () => {
		const argv = ["/usr/bin/pkexec", PROGRAM, "gpu-helper", "hold", GPU, "--force"];
		expect(made({ terminal: false }, { ...HOLD, force: true })).toMatchObject({
			how: "pkexec",
			argv,
			interactive: false,
		});
		expect(made({ sudo: null })).toMatchObject({ how: "pkexec" });
	});

	test("where nobody can type, sudo must not ask", () => {
		const argv = ["/usr/bin/sudo", "-n", "--", PROGRAM, "gpu-helper", "restore"];
		const request = { verb: "restore", gpu: null } as const;
		expect(made({ terminal: false, desktop: false }, request)).toMatchObject({ how: "sudo", argv, interactive: false });
	});

	test("with neither of them there is no way", () => {
		expect(made({ sudo: null, pkexec: null })).toBeNull();
		expect(made({ sudo: null, terminal: false, desktop: false })).toBeNull();
	});

	test("root asks nobody, and its own machine gets the card", () => {
		const { argv, env, how } = made({ uid: 0 }) ?? {};
		expect({ argv, env, how }).toEqual({
			how: "root",
			argv: [PROGRAM, "gpu-helper", "hold", GPU],
			env: { PATH: expect.any(String), LANG: "C.UTF-8" },
		});
	});

	test("a card that root binds for good is for the user behind sudo", () => {
		expect(made({ uid: 0 }, { ...HOLD, verb: "bind" })?.env).toMatchObject({ SUDO_UID: "1000" });
	});

	test("whatever the environment holds, only names that are known get through", () => {
		const situations = fc.record({
			uid: fc.constantFrom(0, 1000),
			terminal: fc.boolean(),
			desktop: fc.boolean(),
			sudo: fc.constantFrom(null, "/usr/bin/sudo"),
			pkexec: fc.constantFrom(null, "/usr/bin/pkexec"),
		});
		const known = new Set(["PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "TERM", "SUDO_UID", "PKEXEC_UID"]);
		fc.assert(
			fc.property(situations, fc.dictionary(fc.string(), fc.string()), (situation, more) => {
				const { env = {} } = elevation(situation, PROGRAM, HOLD, { ...ENV, ...more }) ?? {};
				expect(Object.keys(env).filter((name) => !known.has(name))).toEqual([]);
				expect(JSON.stringify(env)).not.toContain("secret");
				if (env.PATH !== undefined) expect(env.PATH).not.toContain("/home");
			}),
		);
	});
});

describe("the grammar", () => {
	const hex = (digits: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${digits}}$`));
	const bdfs = fc
		.tuple(hex(4), hex(2), fc.constantFrom("00", "1f", "0a"), fc.integer({ min: 0, max: 7 }))
		.map(([domain, bus, device, func]) => `${domain}:${bus}:${device}.${func}`);
	const requests: fc.Arbitrary<HelperRequest> = fc.oneof(
		fc.record({ verb: fc.constantFrom("hold" as const, "bind" as const), gpu: bdfs, force: fc.boolean() }),
		fc.record({ verb: fc.constant("restore" as const), gpu: fc.option(bdfs) }),
	);

	test("what is said is understood", () => {
		fc.assert(fc.property(requests, (request) => expect(parseHelperWords(helperWords(request))).toEqual(request)));
	});

	test("nothing else is: what is understood is word by word what we say", () => {
		const word = fc.oneof(
			fc.string({ unit: "binary" }),
			bdfs,
			fc.constantFrom(
				"gpu-helper",
				"hold",
				"bind",
				"restore",
				"--force",
				"--",
				"-v",
				"",
				"01:00.0",
				"0000:01:00.0 ",
				"0000:01:00.A",
				"--force=1",
			),
		);
		fc.assert(
			fc.property(fc.array(word, { maxLength: 6 }), (words) => {
				const request = parseHelperWords(words);
				if (request !== null) expect(helperWords(request)).toEqual(words);
			}),
			{ numRuns: 2000 },
		);
	});

	test("a mutation of what we say is refused", () => {
		fc.assert(
			fc.property(requests, fc.nat(3), fc.string({ unit: "binary", minLength: 1 }), (request, index, text) => {
				const words = helperWords(request);
				words[index % words.length] += text;
				const understood = parseHelperWords(words);
				expect(understood === null || helperWords(understood).every((each, i) => each === words[i])).toBe(true);
				for (const each of words.slice(2))
					if (understood !== null) expect(each === "--force" || isBdf(each)).toBe(true);
			}),
		);
	});

	test("the verb refuses before it looks who is there", async () => {
		for (const words of [
			[],
			["gpu-helper"],
			["gpu-helper", "hold"],
			["gpu-helper", "hold", "01:00.0"],
			["gpu-helper", "hold", GPU, "-v"],
		]) {
			const fault = await gpuHelper(words).catch((error: unknown) => error);
			expect(fault).toBeInstanceOf(Fault);
			expect((fault as Fault).exitCode).toBe(EXIT.usage);
		}
	});
});

test("who asked", () => {
	expect(askingUser({})).toBe(0);
	expect(askingUser({ SUDO_UID: "1000" })).toBe(1000);
	expect(askingUser({ PKEXEC_UID: "0" })).toBe(0);
	for (const SUDO_UID of ["", "-1", "x", "1e3", "4294967295", "99999999999", "1 ", "0x10"]) {
		expect(faultOf(() => askingUser({ SUDO_UID })).message).toContain("no user number");
	}
});
