/** Guests that lie: whatever they answer, nothing outside the destination changes, and the copy ends. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SFTPWrapper } from "ssh2";
import { Fault } from "../../../../src/errors.ts";
import { download } from "../../../../src/ssh/copy/download.ts";
import { upload } from "../../../../src/ssh/copy/upload.ts";
import { startGuest } from "./guest.ts";

const FILE = 0o100644;
const FOLDER = 0o40755;
const LINK = 0o120777;
const EOF = 1;
const NO_SUCH_FILE = 2;
const PERMISSION_DENIED = 3;
const FAILURE = 4;

let folder: string;
let here: string;

beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "vg-hostile-"));
	here = join(folder, "here");
	mkdirSync(here);
	mkdirSync(join(folder, "canary"));
	writeFileSync(join(folder, "canary/secret"), "untouched");
});

afterEach(() => {
	expect(readdirSync(folder).sort()).toEqual(["canary", "here"]);
	expect(readdirSync(join(folder, "canary"))).toEqual(["secret"]);
	expect(readFileSync(join(folder, "canary/secret"), "utf8")).toBe("untouched");
	rmSync(folder, { recursive: true, force: true });
});

interface Listed {
	readonly name: string;
	readonly mode: number;
	readonly size?: number;
}

/** What the guest answers; the defaults are a folder `top` with some files that hold "evil". */
interface Lies {
	/** The entries of each folder, by its path. */
	readonly list: (path: string) => readonly Listed[];
	readonly fstatSize?: number;
	readonly target?: string;
	readonly read?: (sftp: SFTPWrapper, id: number, offset: number, length: number) => void;
	/** Takes over the whole session. */
	readonly also?: (sftp: SFTPWrapper) => void;
}

const CONTENT = Buffer.from("evil");

function serveLies(lies: Lies): (sftp: SFTPWrapper) => void {
	return (sftp) => {
		const attrs = (mode: number, size: number = CONTENT.length) => ({ mode, size, uid: 0, gid: 0, atime: 1, mtime: 1 });
		const unread: (readonly Listed[])[] = [];
		const stat = (id: number, path: string) => sftp.attrs(id, attrs(path === "file" ? FILE : FOLDER));
		sftp.on("STAT", stat).on("LSTAT", stat);
		sftp.on("OPENDIR", (id, path) => {
			sftp.handle(id, Buffer.from(`${unread.push(lies.list(path)) - 1}`));
		});
		sftp.on("READDIR", (id, handle) => {
			const folder = Number(handle.toString());
			const entries = unread[folder] ?? [];
			if (entries.length === 0) return sftp.status(id, EOF);
			unread[folder] = [];
			const listed = entries.map(({ name, mode, size }) => ({
				filename: name,
				longname: "",
				attrs: attrs(mode, size),
			}));
			sftp.name(id, listed);
		});
		sftp.on("OPEN", (id) => sftp.handle(id, Buffer.from("file")));
		sftp.on("FSTAT", (id) => sftp.attrs(id, attrs(FILE, lies.fstatSize)));
		sftp.on("READ", (id, _handle, offset, length) => {
			if (lies.read) return lies.read(sftp, id, offset, length);
			if (offset >= CONTENT.length) sftp.status(id, EOF);
			else sftp.data(id, CONTENT.subarray(offset, offset + length));
		});
		sftp.on("READLINK", (id) => {
			sftp.name(id, [{ filename: lies.target ?? "../../canary", longname: "", attrs: {} as never }]);
		});
		sftp.on("CLOSE", (id) => sftp.status(id, 0));
		lies.also?.(sftp);
	};
}

/** Copies `top` to here/copy. Gives back what was skipped, and the fault, if any. */
async function downloadLies(lies: Lies, source = "top"): Promise<{ skipped: string[]; fault: string | null }> {
	await using guest = await startGuest({ serve: serveLies(lies) });
	const task = guest.task();
	const fault = await download(task, source, join(here, "copy")).then(
		() => null,
		(error: unknown) => {
			if (error instanceof Fault) return `${error.message}: ${error.details.why ?? ""}`;
			throw error;
		},
	);
	return { skipped: task.skipped, fault };
}

const once = (...entries: Listed[]) => ({ list: (path: string) => (path === "top" ? entries : []) });
const copied = () => readdirSync(join(here, "copy")).sort();

describe("names", () => {
	test("that lead out are refused", async () => {
		const names = [
			"..",
			".",
			"../x",
			"../../canary/secret",
			join(folder, "canary/secret"),
			"a/b",
			"\0",
			"a\0b",
			"",
			"ok",
		];
		for (const mode of [FILE, FOLDER, LINK]) {
			const { skipped, fault } = await downloadLies(once(...names.map((name) => ({ name, mode }))));
			expect(fault).toBeNull();
			// `.` and `..` are in every list.
			expect(skipped.length).toBe(names.length - 3);
			expect(copied()).toEqual(["ok"]);
			rmSync(join(here, "copy"), { recursive: true });
		}
	});

	test("cannot control the terminal through what is said about them", async () => {
		const { skipped } = await downloadLies(
			once({ name: "\u001b]0;owned\u0007\nvirtualghost: all is well", mode: 0o60600 }),
		);
		expect(skipped.join("")).not.toMatch(/\p{Cc}/u);
	});
});

describe("links", () => {
	test.each([
		["link first", [LINK, FOLDER]],
		["folder first", [FOLDER, LINK]],
		["link, folder, link", [LINK, FOLDER, LINK]],
	])("with the name of a folder do not lead out: %s", async (_what, modes) => {
		const { skipped } = await downloadLies({
			target: join(folder, "canary"),
			list: (path) => {
				if (path === "top") return modes.map((mode) => ({ name: "d", mode }));
				return path === "top/d" ? [{ name: "secret", mode: FILE }] : [];
			},
		});
		expect(skipped.join()).toContain("twice");
	});

	test("come into being after the last file", async () => {
		const seen: string[] = [];
		const { skipped } = await downloadLies({
			...once({ name: "a", mode: LINK }, { name: "b", mode: FILE }, { name: "z", mode: LINK }),
			read: (sftp, id) => {
				seen.push(...copied().map((name) => (name.startsWith(".virtualghost-cp-") ? "temporary" : name)));
				sftp.status(id, EOF);
			},
			fstatSize: 0,
		});
		expect(skipped).toEqual([]);
		expect([...new Set(seen)]).toEqual(["temporary"]);
		expect(copied()).toEqual(["a", "b", "z"]);
	});

	test("from an earlier copy are not followed by the next one", async () => {
		const first = await downloadLies({ ...once({ name: "d", mode: LINK }), target: join(folder, "canary") });
		expect(first).toEqual({ skipped: [], fault: null });
		const second = await downloadLies(
			{
				list: (path) => {
					if (path === "top/.") return [{ name: "d", mode: FOLDER }];
					return path === "top/./d" ? [{ name: "secret", mode: FILE }] : [];
				},
			},
			"top/.",
		);
		expect(second.skipped.join()).toContain("a link is in its place here, and is not followed");
	});

	test("in the place of a file are replaced, not written through", async () => {
		mkdirSync(join(here, "copy"));
		symlinkSync(join(folder, "canary/secret"), join(here, "copy/secret"));
		const { skipped } = await downloadLies({ list: () => [{ name: "secret", mode: FILE }] }, "top/.");
		expect(skipped).toEqual([]);
		expect(readFileSync(join(here, "copy/secret"), "utf8")).toBe("evil");
	});

	test("need a target", async () => {
		for (const target of ["", "a\0b"]) {
			const { skipped } = await downloadLies({ ...once({ name: "l", mode: LINK }), target });
			expect(skipped.length).toBe(1);
			expect(existsSync(join(here, "copy/l"))).toBe(false);
		}
	});
});

describe("endless", () => {
	test("depth ends", async () => {
		const { skipped, fault } = await downloadLies({ list: () => [{ name: "d", mode: FOLDER }] });
		expect(fault).toBeNull();
		expect(skipped.join()).toContain("folders deep");
	});

	test("empty lists end", async () => {
		const { fault } = await downloadLies({
			list: () => [],
			also: (sftp) => sftp.removeAllListeners("READDIR").on("READDIR", (id) => sftp.name(id, [])),
		});
		expect(fault).toContain("its list has no end");
	});

	test("file ends where it said it would", async () => {
		const { skipped, fault } = await downloadLies({
			...once({ name: "f", mode: FILE }),
			fstatSize: 100_000,
			read: (sftp, id, _offset, length) => sftp.data(id, Buffer.alloc(length)),
		});
		expect(fault).toBeNull();
		expect(skipped).toEqual(["top/f: it grew while it was copied; the copy has its first 100000 bytes"]);
		expect(readFileSync(join(here, "copy/f")).length).toBe(100_000);
	});
});

describe("files", () => {
	test("that say they are larger are told", async () => {
		for (const fstatSize of [5, 2 ** 40, 2 ** 52]) {
			const { skipped } = await downloadLies({ ...once({ name: "f", mode: FILE }), fstatSize });
			expect(skipped.join()).toContain(`4 bytes came where it should have ${fstatSize}`);
		}
	});

	test("in short reads arrive whole", async () => {
		const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));
		const { skipped } = await downloadLies({
			...once({ name: "f", mode: FILE }),
			fstatSize: bytes.length,
			read: (sftp, id, offset, length) => {
				const part = bytes.subarray(offset, offset + Math.min(length, 1 + (offset % 997)));
				if (part.length === 0) sftp.status(id, EOF);
				else sftp.data(id, part);
			},
		});
		expect(skipped).toEqual([]);
		expect(readFileSync(join(here, "copy/f")).equals(bytes)).toBe(true);
	});

	test("with an error in the middle leave nothing, and the others are copied", async () => {
		let reads = 0;
		const { skipped, fault } = await downloadLies({
			...once({ name: "bad", mode: FILE }, { name: "good", mode: FILE }),
			fstatSize: 1_000_000,
			read: (sftp, id, _offset, length) => {
				if (++reads === 10) sftp.status(id, FAILURE, "\u001b[2Jno");
				else sftp.data(id, Buffer.alloc(length));
			},
		});
		expect(fault).toBeNull();
		expect(skipped.join()).toContain("top/bad was not copied: the machine could not do it");
		expect(copied()).toEqual(["good"]);
	});

	test("and folders that may not be read are told, and the others are copied", async () => {
		const denied = (id: number, path: string, sftp: SFTPWrapper, go: () => void) =>
			path.includes("private") ? sftp.status(id, PERMISSION_DENIED) : go();
		const { skipped, fault } = await downloadLies({
			...once({ name: "private", mode: FILE }, { name: "private-too", mode: FOLDER }, { name: "public", mode: FILE }),
			also: (sftp) => {
				for (const request of ["OPEN", "OPENDIR"]) {
					const [before] = sftp.listeners(request);
					sftp.removeAllListeners(request).on(request, (id: number, path: string) => {
						denied(id, path, sftp, () => before?.call(sftp, id, path));
					});
				}
			},
		});
		expect(fault).toBeNull();
		expect(skipped).toEqual([
			"top/private was not copied: permission denied in the machine",
			"top/private-too was not copied: permission denied in the machine",
		]);
		expect(copied()).toEqual(["private-too", "public"]);
	});

	test("that send more than asked for end the copy", async () => {
		const { fault } = await downloadLies({
			...once({ name: "f", mode: FILE }),
			read: (sftp, id, _offset, length) => sftp.data(id, Buffer.alloc(length * 2, 1)),
		});
		// ssh2 cuts off what is too much; either way it stays within the file.
		expect(fault === null ? readFileSync(join(here, "copy/f")).length : 0).toBeLessThanOrEqual(4);
	});
});

describe("replies of the wrong kind", () => {
	const reply: Readonly<Record<string, (sftp: SFTPWrapper, id: number) => void>> = {
		ok: (sftp, id) => sftp.status(id, 0),
		handle: (sftp, id) => sftp.handle(id, Buffer.from("h")),
		data: (sftp, id) => sftp.data(id, Buffer.from("data")),
		name: (sftp, id) => sftp.name(id, []),
		attrs: (sftp, id) => sftp.attrs(id, { mode: FILE } as never),
	};
	const requests = ["STAT", "LSTAT", "OPENDIR", "READDIR", "OPEN", "FSTAT", "READ", "READLINK", "CLOSE"];

	test.each(Object.keys(reply))("%s: the copy ends with words", async (kind) => {
		for (const request of requests) {
			const { skipped, fault } = await downloadLies({
				...once({ name: "f", mode: FILE }, { name: "l", mode: LINK }),
				also: (sftp) => sftp.removeAllListeners(request).on(request, (id: number) => reply[kind]?.(sftp, id)),
			});
			expect(`${kind} for ${request}: ${fault} ${skipped}`).not.toMatch(/is not a function|undefined is not/);
			rmSync(join(here, "copy"), { recursive: true, force: true });
		}
	});
});

test("a machine that falls silent can be left, and leaves nothing", async () => {
	const controller = new AbortController();
	const stop = new Error("stop");
	const silent = { ...once({ name: "f", mode: FILE }), read: () => controller.abort(stop) };
	await using guest = await startGuest({ serve: serveLies(silent) });
	const error = await download(guest.task(controller.signal), "top", join(here, "copy")).catch((thrown) => thrown);
	expect(error).toBe(stop);
	expect(copied()).toEqual([]);
});

test.each([
	["a length that is negative", Buffer.from("ffffffff00000000", "hex")],
	["a length that is huge", Buffer.from("7fffffff00000000", "hex")],
	["an unknown kind", Buffer.from("00000005ff00000000", "hex")],
	["half a message and then the end", Buffer.from("000000ff65", "hex")],
])("%s ends the copy", async (_what, bytes) => {
	await using guest = await startGuest({
		raw: (channel) => {
			// Version 3, then the same to whatever is asked.
			channel.once("data", () => {
				channel.write(Buffer.from("000000050200000003", "hex"));
				channel.once("data", () => channel.end(bytes));
			});
		},
	});
	const error = await download(guest.task(), "top", join(here, "copy")).catch((thrown: unknown) => thrown);
	expect(error).toBeInstanceOf(Fault);
	expect((error as Fault).message).toContain("was lost");
});

test("an upload into a machine that takes nothing ends with words, and says so once", async () => {
	await using guest = await startGuest({
		serve: (sftp) => {
			for (const kind of ["STAT", "LSTAT"]) sftp.on(kind, (id: number) => sftp.status(id, NO_SUCH_FILE));
			sftp.on("OPEN", (id) => sftp.handle(id, Buffer.from("f")));
			for (const kind of ["WRITE", "REMOVE"]) sftp.on(kind, (id: number) => sftp.status(id, FAILURE));
			sftp.on("CLOSE", (id) => sftp.status(id, 0));
		},
	});
	writeFileSync(join(here, "f"), Buffer.alloc(10_000_000));
	const error = await upload(guest.task(), join(here, "f"), "f").catch((thrown: unknown) => thrown);
	expect(error).toBeInstanceOf(Fault);
	expect((error as Fault).details.why).toContain("the machine could not do it");
});
