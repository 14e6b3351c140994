/** Both directions against OpenSSH's own sftp-server. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
	chmodSync,
	existsSync,
	lstatSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	rmSync,
	symlinkSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { Fault } from "../../../../src/errors.ts";
import { download } from "../../../../src/ssh/copy/download.ts";
import { downloadToStream, uploadFromStream } from "../../../../src/ssh/copy/stream.ts";
import { upload } from "../../../../src/ssh/copy/upload.ts";
import { type Guest, SFTP_SERVER, startGuest } from "./guest.ts";

let folder: string;
let here: string;
let there: string;
let guest: Guest;

beforeEach(async () => {
	folder = mkdtempSync(join(tmpdir(), "vg-cp-"));
	here = join(folder, "here");
	there = join(folder, "there");
	mkdirSync(here);
	mkdirSync(there);
	guest = await startGuest({ loginFolder: there });
});

afterEach(async () => {
	await guest[Symbol.asyncDispose]();
	// Some folders keep out even their owner.
	spawnSync("chmod", ["-R", "u+rwX", folder]);
	rmSync(folder, { recursive: true, force: true });
});

const OLD = 1_234_567_890;
const NAMES = ["plain", "with space", "new\nline", "ünï→çödé 👻", "-dash", "~tilde", "a:b", "back\\slash", "'quote\""];

/** A tree with all that has to survive. */
function makeTree(root: string): void {
	mkdirSync(join(root, "deep/er"), { recursive: true });
	mkdirSync(join(root, "empty folder"));
	for (const [index, name] of NAMES.entries()) writeFileSync(join(root, name), randomBytes(index * 7919));
	writeFileSync(join(root, "deep/er/zero"), "");
	writeFileSync(join(root, "deep/er/chunks"), randomBytes(32 * 1024 * 3));
	writeFileSync(join(root, "deep/tool"), "#!/bin/sh\n");
	chmodSync(join(root, "deep/tool"), 0o751);
	chmodSync(join(root, "plain"), 0o440);
	symlinkSync("../plain", join(root, "deep/link"));
	symlinkSync("/nowhere/at all", join(root, "dangling"));
	symlinkSync("deep", join(root, "to-folder"));
	for (const name of ["plain", "deep/tool", "deep/er", "deep", "empty folder"]) utimesSync(join(root, name), OLD, OLD);
	chmodSync(join(root, "deep/er"), 0o555);
}

/** All of a tree that a copy has to keep. */
function describeTree(root: string, path = ""): string[] {
	return readdirSync(join(root, path))
		.sort()
		.flatMap((name) => {
			const relative = join(path, name);
			const full = join(root, relative);
			const stat = lstatSync(full);
			const about = `${relative} ${(stat.mode & 0o7777).toString(8)} ${Math.floor(stat.mtimeMs / 1000)}`;
			if (stat.isSymbolicLink()) return [`${relative} -> ${readlinkSync(full)}`];
			if (stat.isDirectory()) return [`${about} /`, ...describeTree(root, relative)];
			return [`${about} ${sha256(readFileSync(full))}`];
		});
}

function sha256(bytes: Buffer): string {
	return createHash("sha256").update(bytes).digest("hex");
}

async function faultOf(copy: Promise<void>): Promise<string> {
	const error = await copy.then(
		() => null,
		(thrown: unknown) => thrown,
	);
	if (!(error instanceof Fault)) throw new Error(`expected a Fault, not ${error}`);
	expect(error.details.why ?? error.details.fix).toBeTruthy();
	return `${error.message}: ${error.details.why ?? ""}`;
}

test("the real sftp-server is here", () => expect(existsSync(SFTP_SERVER)).toBe(true));

describe("trees", () => {
	test("survive the way there and back", async () => {
		makeTree(join(here, "tree"));
		const task = guest.task();
		await upload(task, join(here, "tree"), ".");
		expect(describeTree(join(there, "tree"))).toEqual(describeTree(join(here, "tree")));
		await download(task, "tree", join(here, "back"));
		expect(describeTree(join(here, "back"))).toEqual(describeTree(join(here, "tree")));
		// Once more over what is there, the read-only parts included.
		await upload(task, join(here, "tree"), ".");
		await download(task, "tree/.", join(here, "back"));
		expect(describeTree(join(here, "back"))).toEqual(describeTree(join(here, "tree")));
		expect(task.skipped).toEqual([]);
	});

	test("special files are left out, and said so", async () => {
		for (const side of [here, there]) {
			mkdirSync(join(side, "mixed"));
			writeFileSync(join(side, "mixed/file"), "x");
			spawnSync("mkfifo", [join(side, "mixed/pi\npe")]);
		}
		const task = guest.task();
		await download(task, "mixed", join(here, "got"));
		await upload(task, join(here, "mixed"), "put");
		expect(readdirSync(join(here, "got"))).toEqual(["file"]);
		expect(readdirSync(join(there, "put"))).toEqual(["file"]);
		expect(task.skipped.map((line) => line.replace(here, "…"))).toEqual([
			"mixed/pi\\u{a}pe was not copied: it is a device, pipe or socket",
			"…/mixed/pi\\u{a}pe was not copied: it is a device, pipe or socket",
		]);
	});

	test("setuid and the like go to the machine but do not come out of it", async () => {
		writeFileSync(join(here, "tool"), "x");
		chmodSync(join(here, "tool"), 0o6755);
		await upload(guest.task(), join(here, "tool"), "tool");
		expect(lstatSync(join(there, "tool")).mode & 0o7777).toBe(0o6755);
		await download(guest.task(), "tool", join(here, "back"));
		expect(lstatSync(join(here, "back")).mode & 0o7777).toBe(0o755);
	});
});

describe("destinations", () => {
	test("are chosen as cp -a does", async () => {
		makeTree(join(there, "tree"));
		mkdirSync(join(here, "into"));
		const task = guest.task();
		await download(task, "tree/plain", join(here, "into"));
		await download(task, "tree/plain", join(here, "renamed"));
		await download(task, "tree/deep/", join(here, "into"));
		await download(task, "tree/deep/er", `${join(here, "new")}/`);
		await download(task, "tree/deep/.", join(here, "contents"));
		await download(task, ".", join(here, "login"));
		await download(task, "tree/to-folder", here);
		expect(readdirSync(join(here, "into")).sort()).toEqual(["deep", "plain"]);
		expect(readdirSync(join(here, "new")).sort()).toEqual(["chunks", "zero"]);
		expect(readdirSync(join(here, "contents")).sort()).toEqual(["er", "link", "tool"]);
		expect(readdirSync(join(here, "login"))).toEqual(["tree"]);
		expect(readlinkSync(join(here, "to-folder"))).toBe("deep");
		expect(readFileSync(join(here, "renamed"))).toEqual(readFileSync(join(there, "tree/plain")));
		await upload(task, `${join(here, "into")}/.`, ".");
		await upload(task, join(here, "renamed"), "tree/");
		expect(readdirSync(there).sort()).toEqual(["deep", "plain", "tree"]);
		expect(existsSync(join(there, "tree/renamed"))).toBe(true);
		expect(task.skipped).toEqual([]);
	});

	test("that cannot be are refused, with nothing left behind", async () => {
		makeTree(join(there, "tree"));
		writeFileSync(join(here, "file"), "mine");
		spawnSync("mkfifo", [join(here, "pipe")]);
		mkdirSync(join(here, "plain"));
		const task = guest.task();
		const at = (name: string) => join(here, name);
		expect(await faultOf(download(task, "tree/nothing", here))).toContain("the machine has no such file");
		expect(await faultOf(download(task, "tree/plain", `${at("missing")}/`))).toContain("does not exist");
		expect(await faultOf(download(task, "tree/plain", at("missing/x")))).toContain("no such file or folder here");
		expect(await faultOf(download(task, "tree/plain", `${at("file")}/`))).toContain("a part of its path here");
		expect(await faultOf(download(task, "tree", at("file")))).toContain("is no folder");
		expect(await faultOf(download(task, "tree/plain", at("pipe")))).toContain(
			"a device, pipe or socket is in its place",
		);
		expect(await faultOf(download(task, "tree/plain", here))).toContain("a folder is in its place");
		expect(await faultOf(upload(task, at("nothing"), "."))).toContain("no such file or folder here");
		expect(await faultOf(upload(task, at("file"), "missing/"))).toContain("does not exist");
		expect(await faultOf(upload(task, at("file"), "missing/x"))).toContain("the machine has no such file");
		expect(await faultOf(upload(task, at("plain"), "tree/plain"))).toContain("is no folder");
		expect(await faultOf(upload(task, at("pipe"), "x"))).toContain("a device, pipe or socket");
		expect(readdirSync(here).sort()).toEqual(["file", "pipe", "plain"]);
		expect(readFileSync(at("file"), "utf8")).toBe("mine");
		expect(readdirSync(there)).toEqual(["tree"]);
	});
});

describe("one file", () => {
	test("of 50 MB arrives unchanged, both ways and through streams", async () => {
		const bytes = randomBytes(50_000_000);
		writeFileSync(join(here, "big"), bytes);
		let last = 0;
		const task = guest.task(undefined, ({ doneBytes }) => {
			last = doneBytes;
		});
		await upload(task, join(here, "big"), "big");
		expect(last).toBe(bytes.length);
		await download(task, "big", join(here, "back"));
		expect(sha256(readFileSync(join(here, "back")))).toBe(sha256(bytes));
		const output = new PassThrough();
		const received = output.toArray();
		await downloadToStream(task, "big", output);
		output.end();
		expect(sha256(Buffer.concat(await received))).toBe(sha256(bytes));
		await uploadFromStream(task, Readable.from([bytes.subarray(0, 1), bytes.subarray(1)]), "piped");
		expect(sha256(readFileSync(join(there, "piped")))).toBe(sha256(bytes));
		expect(lstatSync(join(there, "piped")).mode & 0o777).toBe(0o644);
		expect(task.skipped).toEqual([]);
	});

	test("that tells no size is read to its end", async () => {
		await download(guest.task(), "/proc/version", join(here, "version"));
		expect(readFileSync(join(here, "version"), "utf8")).toStartWith("Linux");
		await upload(guest.task(), "/proc/version", "version");
		expect(readFileSync(join(there, "version"), "utf8")).toStartWith("Linux");
	});

	test.each(["upload", "download"] as const)("aborted in the middle of its %s leaves nothing", async (direction) => {
		writeFileSync(join(direction === "upload" ? here : there, "big"), Buffer.alloc(20_000_000));
		const controller = new AbortController();
		const stop = new Error("stop");
		const task = guest.task(controller.signal, ({ doneBytes }) => {
			if (doneBytes > 5_000_000) controller.abort(stop);
		});
		const copy =
			direction === "upload" ? upload(task, join(here, "big"), "copy") : download(task, "big", join(here, "x"));
		expect(await copy.catch((error: unknown) => error)).toBe(stop);
		expect([...readdirSync(here), ...readdirSync(there)]).toEqual(["big"]);
	});

	test("from a silent stream can be aborted", async () => {
		const controller = new AbortController();
		const copy = uploadFromStream(guest.task(controller.signal), new PassThrough(), "never");
		const stop = new Error("stop");
		setTimeout(() => controller.abort(stop), 20);
		expect(await copy.catch((error: unknown) => error)).toBe(stop);
		expect(readdirSync(there)).toEqual([]);
	});

	test("a machine that vanishes ends the copy", async () => {
		writeFileSync(join(there, "big"), Buffer.alloc(20_000_000));
		const task = guest.task(undefined, ({ doneBytes }) => {
			if (doneBytes > 5_000_000) guest.vanish();
		});
		expect(await faultOf(download(task, "big", join(here, "x")))).toContain("session with the machine was lost");
		expect(readdirSync(here)).toEqual([]);
		expect(await faultOf(download(task, "big", join(here, "x")))).toContain("session with the machine was lost");
	});
});
