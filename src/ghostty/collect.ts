/**
 * Which files make up a configuration, in the order in which they count: the main files, then what they include, then what that
 * includes (Ghostty reads `config-file` after the file that names it), and the theme. Files are read through `ConfigReader`, so all
 * of it is tested in memory.
 */
import { dirname, join } from "node:path";
import { expandPath } from "../config/paths.ts";
import { type Line, parseLines, unquote } from "./lines.ts";
import { chooseTheme, isThemeName, type Scheme } from "./theme.ts";
import { isPlain } from "./values.ts";

export type ReadResult =
	/** `id` is the same for the same file under another name. */
	| { readonly kind: "text"; readonly id: string; readonly text: string }
	| { readonly kind: "missing" }
	| { readonly kind: "refused"; readonly why: string };

/** What `host/` does for us. Limits on size and kind of a file are its business. */
export interface ConfigReader {
	read(path: string): ReadResult;
}

export interface SourceFile {
	readonly path: string;
	readonly lines: readonly Line[];
}

/** A line, or a file, that has no effect in the guest. */
export interface Dropped {
	/** The key as written. */
	readonly key: string;
	/** `path:line` */
	readonly where: string;
	readonly why: string;
}

export interface Collected {
	readonly files: readonly SourceFile[];
	/** A theme's file; a name that no folder of this host has, which the guest's Ghostty may know; null without one. */
	readonly theme: SourceFile | { readonly name: string } | null;
	readonly dropped: readonly Dropped[];
}

export interface CollectOptions {
	readonly reader: ConfigReader;
	/** Main files, those that exist, the most important last. */
	readonly mains: readonly string[];
	readonly home: string;
	/** Folders with themes by name, the most important first. */
	readonly themeFolders: readonly string[];
	/** Asked only where a theme has two halves. */
	readonly scheme: () => Scheme;
}

export const INCLUDED_FILES_MAX = 32;
export const INCLUDE_DEPTH_MAX = 8;

interface Pending {
	readonly path: string;
	readonly depth: number;
	readonly optional: boolean;
	/** Of the line that includes it. */
	readonly where: string;
}

export function collect(options: CollectOptions): Collected {
	const dropped: Dropped[] = [];
	const files: SourceFile[] = [];
	const seen = new Set<string>();
	const queue: Pending[] = options.mains.map((path) => ({ path, depth: 0, optional: false, where: path }));
	for (let next = queue.shift(); next; next = queue.shift()) {
		const refuse = (why: string) => dropped.push({ key: "config-file", where: next.where, why });
		if (next.depth > INCLUDE_DEPTH_MAX) refuse(`${next.path} is included through more than ${INCLUDE_DEPTH_MAX} files`);
		else if (files.length >= INCLUDED_FILES_MAX) refuse(`there are more than ${INCLUDED_FILES_MAX} files`);
		else {
			const found = options.reader.read(next.path);
			if (found.kind === "missing") {
				if (!next.optional) refuse(`there is no ${next.path}`);
			} else if (found.kind === "refused") refuse(`${next.path} is not read: ${found.why}`);
			else if (seen.has(found.id)) refuse(`${next.path} was read already`);
			else {
				seen.add(found.id);
				const file = { path: next.path, lines: parseLines(found.text) };
				files.push(file);
				queue.push(...includesOf(file, next.depth, options, dropped));
			}
		}
	}
	return { files, theme: findTheme(files, options, dropped), dropped };
}

/** An empty value takes back the includes of this file that stand before it. */
function includesOf(file: SourceFile, depth: number, options: CollectOptions, dropped: Dropped[]): Pending[] {
	let pending: Pending[] = [];
	for (const { key, value, number } of file.lines) {
		if (key !== "config-file" || value === null) continue;
		if (value === "") {
			pending = [];
			continue;
		}
		const where = `${file.path}:${number}`;
		const optional = value.startsWith("?");
		const name = optional ? unquote(value.slice(1)) : value;
		if (name === "" || !isPlain(name)) {
			dropped.push({ key, where, why: "it is no path" });
			continue;
		}
		const path = expandPath(name, { home: options.home, folder: dirname(file.path) });
		if (leadsOut(path, options)) dropped.push({ key, where, why: `${path} leads out of your home and configuration` });
		else pending.push({ path, depth: depth + 1, optional, where });
	}
	return pending;
}

/** Inside the user's home, or beside a main file: nothing else is looked at, whatever a configuration from the internet names. */
function leadsOut(path: string, { home, mains }: CollectOptions): boolean {
	return ![home, ...mains.map((main) => dirname(main))].some((folder) => isInside(path, folder));
}

function isInside(path: string, folder: string): boolean {
	const base = folder.replace(/[/\\]+$/, "");
	return base !== "" && path.length > base.length && path.startsWith(base) && /[/\\]/.test(path[base.length] ?? "");
}

function findTheme(files: readonly SourceFile[], options: CollectOptions, dropped: Dropped[]): Collected["theme"] {
	let value = "";
	let where = "";
	for (const file of files) {
		for (const line of file.lines) {
			if (line.key !== "theme") continue;
			value = line.value ?? "";
			where = `${file.path}:${line.number}`;
		}
	}
	if (value === "") return null;
	const found = openTheme(value, options);
	if (!("why" in found)) return found;
	dropped.push({ key: "theme", where, why: found.why });
	return null;
}

/** A theme by the value of `theme`, in a configuration or from the command line. */
export function openTheme(
	value: string,
	options: Pick<CollectOptions, "reader" | "home" | "themeFolders" | "scheme">,
): SourceFile | { readonly name: string } | { readonly why: string } {
	const chosen = chooseTheme(value, options.scheme);
	if (chosen === null || !isPlain(chosen)) return { why: "it is no theme" };
	if (/^[/~]/.test(chosen) || /^[A-Za-z]:[/\\]/.test(chosen)) {
		const path = expandPath(chosen, { home: options.home, folder: options.home });
		const found = options.reader.read(path);
		if (found.kind === "text") return { path, lines: parseLines(found.text) };
		return { why: found.kind === "missing" ? `there is no ${path}` : `${path} is not read: ${found.why}` };
	}
	if (!isThemeName(chosen)) return { why: "it is neither the name of a theme nor an absolute path" };
	for (const folder of options.themeFolders) {
		const path = join(folder, chosen);
		const found = options.reader.read(path);
		if (found.kind === "text") return { path, lines: parseLines(found.text) };
		if (found.kind === "refused") return { why: `${path} is not read: ${found.why}` };
	}
	return { name: chosen };
}
