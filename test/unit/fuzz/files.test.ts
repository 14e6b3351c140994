/** What the guest says to the server of a shared folder, and what it says of a work copy's changes. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import fc from "fast-check";
import { BadPacket } from "../../../src/files/share/packets.ts";
import { serveShare } from "../../../src/files/share/serve.ts";
import { applyChanges } from "../../../src/files/work/apply.ts";
import { BadStream, readChanges } from "../../../src/files/work/changes.ts";
import { encodeWorkEntry, WORK_HEADER } from "../../../src/wire/work.ts";
import { requestBytes, TYPE, word } from "../files/sftp.ts";
import { picture } from "../files/trees.ts";
import { cuts, effort, ends, FUZZ_TIMEOUT_MS, pieces, spoilt } from "./fuzz.ts";

let folder: string;
let share: string;

beforeAll(() => {
	folder = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), "vg-fuzz-files-")));
	share = join(folder, "share");
	fs.mkdirSync(join(share, "d"), { recursive: true });
	fs.writeFileSync(join(share, "f"), "content");
	fs.writeFileSync(join(folder, "outside"), "secret");
	fs.symlinkSync("../outside", join(share, "out"));
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

const framed = (...requests: readonly Buffer[]) => Buffer.concat(requests.flatMap((each) => [word(each.length), each]));
const handle = Buffer.from([0, 0, 0, 1]);
const SFTP = [
	framed(
		requestBytes(1, 3),
		requestBytes(TYPE.lstat, 1, "/f"),
		requestBytes(TYPE.open, 2, "/f", 1, 0),
		requestBytes(TYPE.read, 3, handle, 0n, 100),
	),
	framed(
		requestBytes(TYPE.opendir, 1, "/"),
		requestBytes(TYPE.readdir, 2, handle),
		requestBytes(TYPE.close, 3, handle),
	),
	framed(
		requestBytes(TYPE.open, 1, "/d/new", 2 | 8, 4, 0o644),
		requestBytes(TYPE.write, 2, handle, 0n, "x"),
		requestBytes(TYPE.fsetstat, 3, handle, 1, 5n),
	),
	framed(
		requestBytes(TYPE.symlink, 1, "../out", "/d/l"),
		requestBytes(TYPE.rename, 2, "/d/l", "/l"),
		requestBytes(TYPE.readlink, 3, "/l"),
	),
	framed(
		requestBytes(TYPE.extended, 1, "posix-rename@openssh.com", "/f", "/../outside"),
		requestBytes(TYPE.setstat, 2, "/out", 1, 0n),
	),
	framed(
		requestBytes(TYPE.mkdir, 1, "/d/e", 4, 0o4777),
		requestBytes(TYPE.rmdir, 2, "/d/e"),
		requestBytes(TYPE.extended, 3, "statvfs@openssh.com", "/"),
	),
];

test(
	"a shared folder: answers or the end, and what is beside it stays as it is",
	async () => {
		await fc.assert(
			fc.asyncProperty(spoilt(SFTP), cuts, fc.boolean(), async (bytes, where, writable) => {
				let replies = 0;
				const channel = new Duplex({
					read: () => {},
					write: (reply: Buffer, _encoding, done) => {
						replies += reply.length;
						done();
					},
				});
				const served = serveShare(channel, { root: share, writable, uid: 1000, gid: 1000 });
				for (const piece of pieces(bytes, where)) channel.push(piece);
				channel.push(null);
				await ends(served.catch((error: unknown) => expect(error).toBeInstanceOf(BadPacket)));
				expect(replies).toBeLessThan(1024 * 1024);
				expect(fs.readFileSync(join(folder, "outside"), "utf8")).toBe("secret");
				expect(fs.readdirSync(folder).sort()).toEqual(
					fs.existsSync(join(folder, "changes")) ? ["changes", "outside", "share"] : ["outside", "share"],
				);
			}),
			effort(400),
		);
	},
	FUZZ_TIMEOUT_MS,
);

const file = (path: string, mode = 0o644) => `${encodeWorkEntry({ type: "file", path, mode, size: 3, mtime: 1 })}abc`;
const WORK = [
	`${WORK_HEADER}\n${encodeWorkEntry({ type: "end", entries: 0 })}`,
	`${WORK_HEADER}\n${file("f")}${encodeWorkEntry({ type: "folder", path: "d", mode: 0o755 })}${file("d/x", 0o4755)}${encodeWorkEntry({ type: "end", entries: 3 })}`,
	`${WORK_HEADER}\n${encodeWorkEntry({ type: "gone", path: "d" })}${encodeWorkEntry({ type: "link", path: "d", target: "../outside" })}${encodeWorkEntry({ type: "end", entries: 2 })}`,
	`${WORK_HEADER}\n${encodeWorkEntry({ type: "folder", path: "out", mode: 0o777 })}${file("out/x")}${file("../outside")}${encodeWorkEntry({ type: "end", entries: 3 })}`,
];

test(
	"changes of a work copy: a list or a refusal, and applied they stay inside",
	() => {
		const stream = join(folder, "changes");
		fc.assert(
			fc.property(spoilt(WORK), (bytes) => {
				fs.writeFileSync(stream, bytes);
				try {
					const { changes } = readChanges(stream);
					applyChanges(changes, { root: share, stream, since: Date.now() + 1000, id: "fuzz" });
				} catch (error) {
					expect(error).toBeInstanceOf(BadStream);
				}
				expect(fs.readFileSync(join(folder, "outside"), "utf8")).toBe("secret");
				expect(fs.readdirSync(folder).sort()).toEqual(["changes", "outside", "share"]);
				expect(Object.keys(picture(share)).some((name) => name.includes(".virtualghost-work"))).toBe(false);
			}),
			effort(400),
		);
	},
	FUZZ_TIMEOUT_MS,
);
