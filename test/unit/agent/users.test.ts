import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { becomeArgv, findAccount, groupsOf, shellArgv } from "../../../agent/users.ts";
import { GUEST_UID, GUEST_USER } from "../../../src/wire/names.ts";

function account(name: string) {
	const found = findAccount(name);
	if (!found) throw new Error(`no account ${name}`);
	return found;
}
const ghost = account(GUEST_USER);

describe("findAccount", () => {
	test("two may log in", () => {
		expect(ghost).toMatchObject({ uid: GUEST_UID, gid: GUEST_UID, home: "/home/ghost" });
		expect(account("root")).toMatchObject({ uid: 0, gid: 0, home: "/root" });
		for (const { name, home, environment } of [ghost, account("root")]) {
			expect(environment).toMatchObject({ HOME: home, USER: name, LOGNAME: name, SHELL: "/bin/bash", LANG: "C.UTF-8" });
			expect(environment.PATH?.split(":")).toContain("/usr/bin");
		}
	});

	test("nobody else", () => {
		const others = ["", "Ghost", "ghost ", "ghost\0", "ROOT", "nobody", "0", "1000", "__proto__", "toString"];
		for (const name of others) expect(findAccount(name)).toBeNull();
	});
});

describe("groupsOf", () => {
	test("the own one first, then those that name the account", () => {
		const text = ["root:x:0:", "video:x:44:ghost,other", "ghost:x:1000:", "input:x:104:other,ghost", "kvm:x:105:other"];
		expect(groupsOf(ghost, `${text.join("\n")}\n`)).toEqual([GUEST_UID, 44, 104]);
	});

	test("a name is a whole word, and a group that is the own one counts once", () => {
		expect(
			groupsOf(ghost, "a:x:1:ghosts\nb:x:2:xghost,my-ghost\nghost:x:1000:ghost\nc:x:3:ghost\nd:x:3:ghost\n"),
		).toEqual([GUEST_UID, 3]);
	});

	test("damaged lines are no groups", () => {
		const text =
			"\n#x\nx\nx:y\na:x::ghost\nb:x:-1:ghost\nc:x:1e3:ghost\nd:x: 5:ghost\ne:x:0x0:ghost\nghost:ghost:ghost:ghost";
		expect(groupsOf(ghost, text)).toEqual([GUEST_UID]);
	});

	test("whatever the file holds, numbers come out, each once", () => {
		const field = fc.oneof(fc.string(), fc.nat(70_000).map(String), fc.constantFrom("ghost", "ghost,x", "", "0"));
		const line = fc.array(field, { maxLength: 6 }).map((fields) => fields.join(":"));
		fc.assert(
			fc.property(fc.array(line), (lines) => {
				const groups = groupsOf(ghost, lines.join("\n"));
				expect(groups[0]).toBe(GUEST_UID);
				expect(new Set(groups).size).toBe(groups.length);
				for (const group of groups) expect(String(group)).toMatch(/^\d/);
			}),
		);
	});
});

test("a login shell, or one command line, which stays one argument", () => {
	expect(shellArgv(null)).toEqual(["/bin/bash", "-l"]);
	expect(shellArgv("")).toEqual(["/bin/bash", "-c", ""]);
	expect(shellArgv("a; 'b\n")).toEqual(["/bin/bash", "-c", "a; 'b\n"]);
});

test.skipIf(process.platform === "win32")(
	"root is given up before the program runs: PROGRAM UID GID GROUPS TTY ARGV",
	() => {
		const [program, uid, gid, groups, tty, ...argv] = becomeArgv(ghost, ["ls", "", "-l"], "/dev/pts/3");
		expect(program).toBe("/usr/lib/virtualghost/agent/become");
		expect([uid, gid, tty]).toEqual([String(GUEST_UID), String(GUEST_UID), "/dev/pts/3"]);
		// The rest is this host's.
		expect(groups).toMatch(/^1000(,\d+)*$/);
		expect(argv).toEqual(["ls", "", "-l"]);
		expect(becomeArgv(account("root"), ["id"])[4]).toBe("-");
	},
);
