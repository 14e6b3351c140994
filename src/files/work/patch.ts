/** Changes as a patch that `git apply` takes, and `patch` as far as it is text: git's extended format, binary files included. Pure. */
import { createHash } from "node:crypto";
import { deflateSync } from "node:zlib";
import { unifiedHunks } from "./diff.ts";

/** A file or link as git sees it. */
export interface Blob {
	readonly kind: "file" | "link";
	readonly isExecutable: boolean;
	readonly content: Buffer;
}

/** git looks at as many bytes for a NUL. */
const SNIFFED_BYTES = 8000;
/** Larger ones are told apart by their content as a whole. */
const TEXT_BYTES_MAX = 16 * 1024 * 1024;

export function isText(content: Buffer): boolean {
	if (content.length > TEXT_BYTES_MAX || content.subarray(0, SNIFFED_BYTES).includes(0)) return false;
	// As text in, as text out: bytes that are no UTF-8 would be changed on the way.
	return Buffer.from(content.toString("utf8")).equals(content);
}

/** From one state of a path to another; null is nothing there. `path` is Latin-1 text of its bytes. Empty where both are the same. */
export function gitPatch(path: string, before: Blob | null, after: Blob | null): string {
	// Another kind of thing is a new thing.
	if (before && after && before.kind !== after.kind) return gitPatch(path, before, null) + gitPatch(path, null, after);
	if (before && after && modeOf(before) === modeOf(after) && before.content.equals(after.content)) return "";
	const [a, b] = [quotePath(`a/${path}`), quotePath(`b/${path}`)];
	let text = `diff --git ${a} ${b}\n`;
	if (!before && after) text += `new file mode ${modeOf(after)}\n`;
	else if (before && !after) text += `deleted file mode ${modeOf(before)}\n`;
	else if (before && after && modeOf(before) !== modeOf(after)) {
		text += `old mode ${modeOf(before)}\nnew mode ${modeOf(after)}\n`;
	}
	const [old, now] = [before?.content ?? Buffer.alloc(0), after?.content ?? Buffer.alloc(0)];
	if (old.equals(now) && before && after) return text;
	text += `index ${before ? hashOf(old) : NOTHING}..${after ? hashOf(now) : NOTHING}\n`;
	if (!isText(old) || !isText(now)) return `${text}GIT binary patch\n${literal(now)}\n${literal(old)}\n`;
	const hunks = unifiedHunks(old.toString("utf8"), now.toString("utf8"));
	// A file without a byte has no hunks.
	return hunks === "" ? text : `${text}--- ${before ? a : "/dev/null"}\n+++ ${after ? b : "/dev/null"}\n${hunks}`;
}

const NOTHING = "0".repeat(40);

function modeOf({ kind, isExecutable }: Blob): string {
	return kind === "link" ? "120000" : isExecutable ? "100755" : "100644";
}

function hashOf(content: Buffer): string {
	return createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
}

/** As git writes a path with anything else than plain ASCII in it: C's escapes, in quotes. */
function quotePath(path: string): string {
	if (/^[!#-[\]-~ ]*$/.test(path)) return path;
	const escaped = [...Buffer.from(path, "latin1")].map((byte) => {
		const char = String.fromCharCode(byte);
		if (char === '"' || char === "\\") return `\\${char}`;
		return byte >= 0x20 && byte < 0x7f ? char : `\\${byte.toString(8).padStart(3, "0")}`;
	});
	return `"${escaped.join("")}"`;
}

const BASE85 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
const LINE_BYTES = 52;

/** The whole content, deflated, in lines of git's base 85. */
function literal(content: Buffer): string {
	const deflated = deflateSync(content);
	let text = `literal ${content.length}\n`;
	for (let at = 0; at < deflated.length; at += LINE_BYTES) {
		const line = deflated.subarray(at, at + LINE_BYTES);
		const length = line.length <= 26 ? 64 + line.length : 96 + line.length - 26;
		text += `${String.fromCharCode(length)}${encode85(line)}\n`;
	}
	return text;
}

function encode85(bytes: Buffer): string {
	let text = "";
	for (let at = 0; at < bytes.length; at += 4) {
		const group = Buffer.alloc(4);
		bytes.copy(group, 0, at, at + 4);
		let value = group.readUInt32BE(0);
		let digits = "";
		for (let i = 0; i < 5; i++) {
			digits = `${BASE85[value % 85]}${digits}`;
			value = Math.floor(value / 85);
		}
		text += digits;
	}
	return text;
}
