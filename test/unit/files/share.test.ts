/** The server over real folders: what a guest may do, and that nothing it can say leads out. The same over sshfs: test/vm/files.test.ts. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { linkProblem } from "../../../src/files/share/links.ts";
import { ShareServer } from "../../../src/files/share/server.ts";
import { ask, readFile, TYPE } from "./sftp.ts";
import { takeTurns } from "./trees.ts";

const [OK, , NO_FILE, DENIED, FAILURE] = [0, 1, 2, 3, 4];
const isRoot = process.getuid?.() === 0;

let folder: string;
let share: string;
let open: ShareServer[] = [];

function serve(writable: boolean): ShareServer {
	const server = new ShareServer({ root: share, writable, uid: 1000, gid: 1000 });
	open.push(server);
	return server;
}

/** Paths of everything below a folder; links are not followed (`recursive` of Bun's readdir may). */
function walk(path: string, below = ""): string[] {
	return fs.readdirSync(join(path, below)).flatMap((name) => {
		const each = join(below, name);
		return fs.lstatSync(join(path, each)).isDirectory() ? [each, ...walk(path, each)] : [each];
	});
}

/** Everything below a folder as text: types, modes, contents, targets. */
function picture(path: string): Record<string, string> {
	const found: Record<string, string> = {};
	for (const name of walk(path)) {
		const stat = fs.lstatSync(join(path, name));
		const content = stat.isFile()
			? fs.readFileSync(join(path, name), "hex")
			: stat.isSymbolicLink()
				? fs.readlinkSync(join(path, name))
				: "";
		found[name] = `${stat.mode.toString(8)} ${content}`;
	}
	return found;
}

beforeEach(() => {
	folder = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), "vg-share-")));
	share = join(folder, "share");
	fs.mkdirSync(join(share, "sub/deep"), { recursive: true });
	fs.mkdirSync(join(folder, "outside/sub"), { recursive: true });
	fs.writeFileSync(join(folder, "outside/secret"), "secret");
	fs.writeFileSync(join(folder, "outside/sub/secret"), "secret");
	fs.writeFileSync(join(share, "file"), "content");
	fs.symlinkSync("../outside", join(share, "out"));
	fs.symlinkSync("../outside/secret", join(share, "to-secret"));
	fs.symlinkSync(join(folder, "outside"), join(share, "sub/abs"));
});
afterEach(() => {
	for (const server of open) server[Symbol.dispose]();
	open = [];
	fs.rmSync(folder, { recursive: true });
});

describe("reading", () => {
	test("gives files, folders and links as they are, all of them the guest's", async () => {
		const server = serve(false);
		expect(await readFile(server, "/file")).toEqual(Buffer.from("content"));
		const { body } = await ask(server, TYPE.lstat, "/file");
		expect([body.readBigUInt64BE(4), body.readUInt32BE(12), body.readUInt32BE(16)]).toEqual([7n, 1000, 1000]);
		const target = await ask(server, TYPE.readlink, "/out");
		expect(target.body.toString("latin1")).toContain("../outside");
		const listed = await ask(server, TYPE.opendir, "/");
		const names = (await ask(server, TYPE.readdir, listed.body.subarray(4))).body.toString("latin1");
		for (const name of ["file", "sub", "out", "to-secret"]) expect(names).toContain(name);
		expect((await ask(server, TYPE.readdir, listed.body.subarray(4))).status).toBe(1);
	});

	test("gives any bytes as names", async () => {
		const name = Buffer.from([0xff, 0x20, 0x0a, 0xfe]);
		fs.writeFileSync(Buffer.concat([Buffer.from(`${share}/`), name]) as never, "odd");
		expect(await readFile(serve(false), Buffer.concat([Buffer.from("/"), name]))).toEqual(Buffer.from("odd"));
	});

	test("never follows a link, never goes up", async () => {
		const server = serve(false);
		for (const path of [
			"/to-secret",
			"/out/secret",
			"/sub/abs/secret",
			"/../outside/secret",
			"/sub/../../outside/secret",
			"..",
			"/sub/deep/../file",
		]) {
			expect(await readFile(server, path)).toBeGreaterThan(1);
			if (path !== "/to-secret") expect((await ask(server, TYPE.lstat, path)).status).toBeGreaterThan(1);
			expect((await ask(server, TYPE.opendir, path)).status).toBeGreaterThan(1);
		}
		expect((await ask(server, TYPE.lstat, "//./file")).type).toBe(105);
	});

	test("opens no device, pipe or socket, and does not wait for one", async () => {
		const fifo = Bun.spawnSync(["mkfifo", join(share, "pipe")]);
		expect(fifo.exitCode).toBe(0);
		if (isRoot) expect(Bun.spawnSync(["mknod", join(share, "zero"), "c", "1", "5"]).exitCode).toBe(0);
		for (const name of ["/pipe", ...(isRoot ? ["/zero"] : [])]) {
			expect(await readFile(serve(false), name)).toBe(DENIED);
			expect((await ask(serve(true), TYPE.open, name, 2, 0)).status).toBe(DENIED);
		}
	});

	test("has limits", async () => {
		const server = serve(false);
		let opened = 0;
		while ((await ask(server, TYPE.open, "/file", 1, 0)).type === 102 && opened < 5000) opened++;
		expect(opened).toBe(1024);
		expect((await ask(server, TYPE.lstat, `/${"a/".repeat(400)}`)).status).toBe(FAILURE);
		expect((await ask(server, TYPE.lstat, `/${"a".repeat(300)}`)).status).toBe(FAILURE);
	});
});

test("read-only: nothing is changed by any request", async () => {
	const before = picture(folder);
	const server = serve(false);
	const refused = [
		await ask(server, TYPE.open, "/file", 2, 0),
		await ask(server, TYPE.open, "/file", 1 | 16, 0),
		await ask(server, TYPE.open, "/new", 8 | 2, 0),
		await ask(server, TYPE.setstat, "/file", 4, 0o777),
		await ask(server, TYPE.setstat, "/file", 1, 0n),
		await ask(server, TYPE.remove, "/file"),
		await ask(server, TYPE.mkdir, "/d", 0),
		await ask(server, TYPE.rmdir, "/sub/deep"),
		await ask(server, TYPE.rename, "/file", "/g"),
		await ask(server, TYPE.extended, "posix-rename@openssh.com", "/file", "/g"),
		await ask(server, TYPE.symlink, "file", "/l"),
	];
	expect(refused.map(({ status }) => status)).toEqual(refused.map(() => DENIED));
	const { body } = await ask(server, TYPE.open, "/file", 1, 0);
	expect((await ask(server, TYPE.write, body.subarray(4), 0n, "x")).status).toBe(DENIED);
	expect((await ask(server, TYPE.fsetstat, body.subarray(4), 1, 0n)).status).toBe(DENIED);
	expect((await ask(server, TYPE.extended, "hardlink@openssh.com", "/file", "/h")).status).toBe(8);
	expect(picture(folder)).toEqual(before);
});

describe("writing", () => {
	test("does what a shared folder is for", async () => {
		const server = serve(true);
		const { body } = await ask(server, TYPE.open, "/sub/new", 2 | 8 | 32, 4, 0o4755);
		expect((await ask(server, TYPE.write, body.subarray(4), 0n, "hello")).status).toBe(OK);
		expect((await ask(server, TYPE.fsetstat, body.subarray(4), 8, 1000, 2000)).status).toBe(OK);
		expect(fs.readFileSync(join(share, "sub/new"), "utf8")).toBe("hello");
		// The bit was asked for at the creation; nobody gets it.
		expect(fs.statSync(join(share, "sub/new")).mode & 0o7777 & ~0o022).toBe(0o755);
		expect(fs.statSync(join(share, "sub/new")).mtimeMs).toBe(2_000_000);
		expect((await ask(server, TYPE.open, "/sub/new", 2 | 8 | 32, 0)).status).toBe(FAILURE);
		expect((await ask(server, TYPE.rename, "/sub/new", "/file")).status).toBe(FAILURE);
		expect((await ask(server, TYPE.extended, "posix-rename@openssh.com", "/sub/new", "/file")).status).toBe(OK);
		expect((await ask(server, TYPE.setstat, "/file", 1 | 4, 2n, 0o600)).status).toBe(OK);
		expect([fs.readFileSync(join(share, "file"), "utf8"), fs.statSync(join(share, "file")).mode & 0o777]).toEqual([
			"he",
			0o600,
		]);
		expect((await ask(server, TYPE.mkdir, "/d", 4, 0o2770)).status).toBe(OK);
		expect(fs.statSync(join(share, "d")).mode & 0o7000).toBe(0);
		expect((await ask(server, TYPE.symlink, "../file", "/d/l")).status).toBe(OK);
		expect((await ask(server, TYPE.remove, "/d/l")).status).toBe(OK);
		expect((await ask(server, TYPE.rmdir, "/d")).status).toBe(OK);
		expect((await ask(server, TYPE.rmdir, "/")).status).toBe(DENIED);
	});

	test("leaves no setuid bit, no foreign owner, and no file that has one changed", async () => {
		const server = serve(true);
		for (const mode of [0o4755, 0o2755, 0o6000])
			expect((await ask(server, TYPE.setstat, "/file", 4, mode)).status).toBe(DENIED);
		expect((await ask(server, TYPE.setstat, "/file", 2, 0, 0)).status).toBe(DENIED);
		expect((await ask(server, TYPE.setstat, "/file", 2, 1000, 1000)).status).toBe(OK);
		fs.chmodSync(join(share, "file"), 0o4755);
		expect((await ask(server, TYPE.open, "/file", 2, 0)).status).toBe(DENIED);
		expect(await readFile(server, "/file")).toEqual(Buffer.from("content"));
	});

	test("goes through no link, and leaves none that leads out", async () => {
		const before = picture(join(folder, "outside"));
		const server = serve(true);
		for (const path of ["/to-secret", "/out/secret", "/out/new", "/sub/abs/secret", "/../outside/secret"]) {
			expect((await ask(server, TYPE.open, path, 2 | 8 | 16, 0)).status).toBeGreaterThan(1);
			expect((await ask(server, TYPE.setstat, path, 4, 0o777)).status).toBeGreaterThanOrEqual(
				path === "/to-secret" ? 0 : 2,
			);
			expect((await ask(server, TYPE.setstat, path, 1, 0n)).status).toBeGreaterThanOrEqual(
				path === "/to-secret" ? 0 : 2,
			);
		}
		expect((await ask(server, TYPE.remove, "/out/secret")).status).toBe(NO_FILE);
		expect((await ask(server, TYPE.mkdir, "/out/d", 0)).status).toBe(NO_FILE);
		expect((await ask(server, TYPE.rename, "/file", "/out/file")).status).toBe(NO_FILE);
		expect((await ask(server, TYPE.rename, "/out/secret", "/stolen")).status).toBe(NO_FILE);
		for (const target of ["/etc/passwd", "..", "../outside", "sub/../../outside", "", `${"../".repeat(50)}etc`]) {
			expect((await ask(server, TYPE.symlink, target, "/l")).status).toBe(DENIED);
		}
		// Right where it is, wrong where it would be moved to.
		expect((await ask(server, TYPE.symlink, "../../file", "/sub/deep/l")).status).toBe(OK);
		expect((await ask(server, TYPE.rename, "/sub/deep/l", "/sub/l")).status).toBe(DENIED);
		expect((await ask(server, TYPE.rename, "/sub/deep", "/deep")).status).toBe(FAILURE);
		expect(picture(join(folder, "outside"))).toEqual(before);
	});

	test("anything that a guest says in any order stays inside", async () => {
		const names = fc.constantFrom(
			"file",
			"sub",
			"sub/deep",
			"out",
			"out/secret",
			"to-secret",
			"sub/abs",
			"sub/abs/secret",
			"a",
			"b",
			"a/b",
			"..",
			"a/../..",
			"../outside",
			".",
			"",
		);
		const targets = fc.oneof(names, fc.constantFrom("/etc", "../..", "../outside/secret", "a/../../outside"));
		const request = fc.oneof(
			fc.tuple(fc.constant(TYPE.symlink), targets, names),
			fc.tuple(fc.constant(TYPE.rename), names, names),
			fc.tuple(fc.constant(TYPE.extended), fc.constant("posix-rename@openssh.com"), names, names),
			fc.tuple(fc.constant(TYPE.open), names, fc.integer({ min: 0, max: 63 }), fc.constant(0)),
			fc.tuple(fc.constant(TYPE.mkdir), names, fc.constant(0)),
			fc.tuple(fc.constant(TYPE.rmdir), names),
			fc.tuple(fc.constant(TYPE.remove), names),
			fc.tuple(fc.constant(TYPE.setstat), names, fc.constant(4), fc.integer({ min: 0, max: 0o7777 })),
			fc.tuple(fc.constant(TYPE.setstat), names, fc.constant(1), fc.constant(0n)),
			fc.tuple(
				fc.constant(TYPE.write),
				fc.constant(Buffer.from([0, 0, 0, 1])),
				fc.constant(0n),
				fc.constant("overwritten"),
			),
		);
		const before = picture(join(folder, "outside"));
		const isOurs = new Set(["out", "to-secret", "sub/abs"]);
		await fc.assert(
			fc.asyncProperty(fc.array(request, { maxLength: 30 }), async (requests) => {
				const server = new ShareServer({ root: share, writable: true, uid: 1000, gid: 1000 });
				for (const [type, ...fields] of requests) await ask(server, type, ...fields);
				server[Symbol.dispose]();
				expect(picture(join(folder, "outside"))).toEqual(before);
				for (const name of walk(share)) {
					const stat = fs.lstatSync(join(share, name));
					expect(stat.mode & 0o6000).toBe(0);
					if (!stat.isSymbolicLink() || isOurs.has(name)) continue;
					// One of the host's own may have been renamed; every other stays inside.
					const target = fs.readlinkSync(join(share, name));
					if (target.endsWith("outside") || target.endsWith("outside/secret")) continue;
					expect(linkProblem(Buffer.from(target), name.split("/").length - 1)).toBeNull();
				}
			}),
			{ numRuns: 300 },
		);
	});
});

test("a race of links on the host: what is read is always from inside", async () => {
	// A folder and a link to another take turns under one name while files below it are read.
	const turns = takeTurns(share);
	const server = serve(true);
	const before = picture(join(folder, "outside"));
	let inside = 0;
	const end = Date.now() + 2000;
	while (Date.now() < end) {
		const content = await readFile(server, "/turn/secret");
		if (typeof content === "number") continue;
		expect(content.toString()).toBe("inside\n");
		inside++;
		await ask(server, TYPE.open, "/turn/planted", 2 | 8, 0);
	}
	await turns[Symbol.asyncDispose]();
	expect(inside).toBeGreaterThan(0);
	expect(picture(join(folder, "outside"))).toEqual(before);
});
