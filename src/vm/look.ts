/**
 * What the guest's terminal looks like, as a disk: a tar archive that the initramfs unpacks over the root file system. A file in the cache
 * by its hash, so that a snapshot, whose terminal is drawn already, belongs to one look.
 */
import { createHash, randomBytes } from "node:crypto";
import {
	closeSync,
	existsSync,
	fsyncSync,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmSync,
	statSync,
	utimesSync,
	writeSync,
} from "node:fs";
import { dirname, extname, join } from "node:path";
import { Fault, reason } from "../errors.ts";
import { GUEST_PATH } from "../wire/names.ts";
import { writeTar } from "./tar.ts";

export interface LookParts {
	readonly ghosttyConf: string;
	readonly footIni: string;
	readonly fonts: readonly { readonly path: string }[];
}

export interface Look {
	/** Of the archive, once `writeLook` has made it. */
	readonly path: string;
	readonly archive: Uint8Array;
}

const FOLDER = "looks";
/** Kept for machines that are started again with them. */
const KEPT = 8;

/** @throws Fault if a font cannot be read */
export function makeLook(cache: string, { ghosttyConf, footIni, fonts }: LookParts): Look {
	const text = (path: string, content: string) => ({ name: path.slice(1), content: Buffer.from(content) });
	const archive = writeTar([
		text(GUEST_PATH.lookGhostty, ghosttyConf),
		text(GUEST_PATH.lookFoot, footIni),
		// Names of the user's files are nothing for the guest.
		...fonts.map(({ path }, index) => ({
			name: `${GUEST_PATH.lookFonts.slice(1)}/${index}${extname(path)
				.toLowerCase()
				.replaceAll(/[^.a-z]/g, "")}`,
			content: readFont(path),
		})),
	]);
	const hash = createHash("sha256").update(archive).digest("hex").slice(0, 16);
	return { path: join(cache, FOLDER, `${hash}.tar`), archive };
}

function readFont(path: string): Uint8Array {
	try {
		return readFileSync(path);
	} catch (error) {
		throw new Fault(`The font ${path} cannot be read`, { why: reason(error), fix: "use --host-fonts false" });
	}
}

/** Makes the file, whole or not at all; one that is there and as it should be stays. @throws Fault */
export function writeLook({ path, archive }: Look): void {
	const temporary = join(dirname(path), `.${randomBytes(6).toString("hex")}.tmp`);
	try {
		if (isSame(path, archive)) {
			utimesSync(path, new Date(), new Date());
			return;
		}
		mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
		const fd = openSync(temporary, "wx", 0o600);
		try {
			for (let at = 0; at < archive.length; ) at += writeSync(fd, archive, at);
			fsyncSync(fd);
		} finally {
			closeSync(fd);
		}
		renameSync(temporary, path);
		prune(dirname(path));
	} catch (error) {
		// Bun's rmSync takes offence at a path below a file, force or not.
		if (existsSync(temporary)) rmSync(temporary, { force: true });
		throw new Fault("The terminal's configuration cannot be written", {
			why: reason(error),
			fix: `check the folder ${dirname(path)}, or use --ghostty-config none`,
			cause: error,
		});
	}
}

function isSame(path: string, archive: Uint8Array): boolean {
	if (statSync(path, { throwIfNoEntry: false })?.size !== archive.length) return false;
	return readFileSync(path).equals(archive);
}

/** Those used least recently go, and what a killed launcher left; a machine that runs on one has it open. */
function prune(folder: string): void {
	const files = readdirSync(folder)
		.map((name) => join(folder, name))
		.map((path) => ({ path, used: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
		.sort((a, b) => b.used - a.used);
	for (const { path } of files.slice(KEPT)) rmSync(path, { force: true });
}
