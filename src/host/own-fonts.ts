/** Font files of the user's own, by the names of their families: what lies in the home directory and belongs to the user. */
import { closeSync, openSync, readdirSync, readSync, realpathSync, statSync } from "node:fs";
import { basename, extname, join, sep } from "node:path";
import type { Platform } from "../plan/facts.ts";

export interface OwnFont {
	readonly family: string;
	readonly path: string;
	readonly bytes: number;
}

export interface OwnFonts {
	readonly fonts: readonly OwnFont[];
	/** Families without a file of the user's, each with the reason. */
	readonly missing: readonly { readonly family: string; readonly why: string }[];
}

/** They are unpacked into the guest's memory. */
const ALL_BYTES_MAX = 32 * 1024 * 1024;
const FILE_BYTES_MAX = 16 * 1024 * 1024;
/** Of a family with a hundred weights the plain ones come first. */
const FILES_A_FAMILY_MAX = 8;
const PLAIN_STYLE = /^(regular|book|roman|medium|bold|italic|oblique|bold ?italic|bold ?oblique)$/i;
const ASK_TIMEOUT_MS = 5000;
/** Files looked at where fontconfig is missing. */
const FILES_LOOKED_AT_MAX = 5000;

interface Candidate {
	readonly path: string;
	readonly style: string;
}

export function findOwnFonts(families: readonly string[], platform: Platform, home: string): OwnFonts {
	const fonts: OwnFont[] = [];
	const missing: { family: string; why: string }[] = [];
	const taken = new Set<string>();
	let bytes = 0;
	for (const family of new Set(families)) {
		const known = askFontconfig(family) ?? lookInFolders(family, platform, home);
		const own = known.filter(({ path }) => isOwnFont(path, home)).sort((a, b) => rank(a) - rank(b));
		if (own.length === 0) {
			const why = known.length === 0 ? "this host has no such font" : "it is the system's, not a file of yours";
			missing.push({ family, why });
		}
		for (const { path } of own.slice(0, FILES_A_FAMILY_MAX)) {
			const size = statSync(path).size;
			if (taken.has(path) || bytes + size > ALL_BYTES_MAX) continue;
			taken.add(path);
			bytes += size;
			fonts.push({ family, path, bytes: size });
		}
	}
	return { fonts, missing };
}

function rank({ style }: Candidate): number {
	return PLAIN_STYLE.test(style) ? 0 : 1;
}

/** Null where this host has no fontconfig. */
function askFontconfig(family: string): Candidate[] | null {
	const pattern = family.replaceAll(/[\\:,-]/g, "\\$&");
	try {
		const { exitCode, stdout } = Bun.spawnSync(["fc-list", "-f", "%{file}\t%{style[0]}\n", pattern], {
			stdin: "ignore",
			stdout: "pipe",
			stderr: "ignore",
			timeout: ASK_TIMEOUT_MS,
		});
		if (exitCode !== 0) return null;
		return stdout
			.toString()
			.split("\n")
			.filter((line) => line !== "")
			.sort()
			.map((line) => ({ path: line.split("\t")[0] ?? "", style: line.split("\t")[1] ?? "" }));
	} catch {
		return null;
	}
}

/** By the names of the files, as fonts are usually named: `JetBrainsMono-BoldItalic.ttf`. */
function lookInFolders(family: string, platform: Platform, home: string): Candidate[] {
	const folders =
		platform === "darwin"
			? ["Library/Fonts"]
			: platform === "win32"
				? ["AppData/Local/Microsoft/Windows/Fonts"]
				: [".local/share/fonts", ".fonts"];
	const squeeze = (text: string) => text.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, "");
	const found: Candidate[] = [];
	for (const folder of folders) {
		for (const name of listFiles(join(home, folder))) {
			const [stem = "", style = "Regular"] = basename(name, extname(name)).split(/[-[]/);
			if (squeeze(stem) === squeeze(family)) found.push({ path: join(home, folder, name), style });
		}
	}
	return found;
}

function listFiles(folder: string): string[] {
	try {
		return readdirSync(folder, { recursive: true, encoding: "utf8" }).sort().slice(0, FILES_LOOKED_AT_MAX);
	} catch {
		return [];
	}
}

/** Links count by where they lead: a font of the system's stays one. */
function isOwnFont(path: string, home: string): boolean {
	try {
		const real = realpathSync(path);
		const stat = statSync(real);
		const uid = process.getuid?.();
		return (
			real.startsWith(`${realpathSync(home)}${sep}`) &&
			stat.isFile() &&
			(uid === undefined || stat.uid === uid) &&
			stat.size <= FILE_BYTES_MAX &&
			isFontFile(real)
		);
	} catch {
		return false;
	}
}

/** TrueType, OpenType, and collections of either, by their first four bytes. */
function isFontFile(path: string): boolean {
	const fd = openSync(path, "r");
	try {
		const bytes = Buffer.alloc(4);
		readSync(fd, bytes, 0, 4, 0);
		return ["00010000", "4f54544f", "74746366", "74727565"].includes(bytes.toString("hex"));
	} finally {
		closeSync(fd);
	}
}
