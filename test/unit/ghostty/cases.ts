/**
 * Configurations as people write them, one file each in configs/: options of the case, then `== path` before each file's text. `\u001b`
 * and the like stand for the character.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Collected, type CollectOptions, type ConfigReader, collect } from "../../../src/ghostty/collect.ts";

const CONFIGS = join(import.meta.dir, "configs");
export const HOME = "/home/me";
export const THEME_FOLDERS = [`${HOME}/.config/ghostty/themes`, "/usr/share/ghostty/themes"];
/** As host/ghostty-places.ts lists them. */
const MAINS = [`${HOME}/.config/ghostty/config`, `${HOME}/Library/Application Support/com.mitchellh.ghostty/config`];

export interface Case {
	readonly files: Readonly<Record<string, string>>;
	readonly scheme: "light" | "dark";
	/** Fonts that the guest has. */
	readonly fonts: readonly string[];
}

export const CASE_NAMES = readdirSync(CONFIGS)
	.map((name) => name.replace(/\.txt$/, ""))
	.sort();

export function readCase(name: string): Case {
	const text = readFileSync(join(CONFIGS, `${name}.txt`), "utf8");
	const [head = "", ...blocks] = text.split(/^== /m);
	const option = (key: string) => new RegExp(`^${key}=(.*)$`, "m").exec(head)?.[1];
	const plain = (body: string) =>
		body
			.replaceAll(/\\u([0-9a-f]{4})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
			.replaceAll(/\n/g, head.includes("crlf") ? "\r\n" : "\n");
	const files = Object.fromEntries(
		blocks.map((block) => {
			const end = block.indexOf("\n");
			const text = plain(block.slice(end + 1));
			return [block.slice(0, end).replace("~", HOME), head.includes("crlf") ? `\uFEFF${text}` : text];
		}),
	);
	return {
		files,
		scheme: option("scheme") === "light" ? "light" : "dark",
		fonts: option("fonts")?.split(",") ?? [],
	};
}

export function readerOf(files: Readonly<Record<string, string>>): ConfigReader {
	return {
		read: (path) => {
			const text = Object.hasOwn(files, path) ? files[path] : undefined;
			return text === undefined ? { kind: "missing" } : { kind: "text", id: path, text };
		},
	};
}

export function collectFiles(files: Case["files"], options: Partial<CollectOptions> = {}): Collected {
	const mains = MAINS.filter((path) => path in files);
	const reader = readerOf(files);
	return collect({ reader, mains, home: HOME, themeFolders: THEME_FOLDERS, scheme: () => "dark", ...options });
}
