/** Where this platform's Ghostty has its configuration and its themes, and whether the desktop is dark. */
import { isAbsolute, join } from "node:path";
import type { Scheme } from "../ghostty/theme.ts";
import type { Platform } from "../plan/facts.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface GhosttyPlaces {
	/** Main files, the most important last; each may be missing. */
	readonly mains: readonly string[];
	/** The most important first. */
	readonly themeFolders: readonly string[];
}

const MAC_FOLDER = "Library/Application Support/com.mitchellh.ghostty";
const MAC_RESOURCES = "Applications/Ghostty.app/Contents/Resources/ghostty";
/** Since 1.2 the file may also have this name. */
const MAIN_NAMES = ["config", "config.ghostty"];

export function ghosttyPlaces(platform: Platform, env: Environment, home: string): GhosttyPlaces {
	const xdg = join(absolute(env.XDG_CONFIG_HOME) ?? join(home, ".config"), "ghostty");
	const isMac = platform === "darwin";
	const folders = isMac ? [xdg, join(home, MAC_FOLDER)] : [xdg];
	const dataFolders = (env.XDG_DATA_DIRS || "/usr/local/share:/usr/share").split(":").filter(isAbsolute);
	const resources = absolute(env.GHOSTTY_RESOURCES_DIR);
	return {
		mains: folders.flatMap((folder) => MAIN_NAMES.map((name) => join(folder, name))),
		themeFolders: [
			join(xdg, "themes"),
			...(resources === null ? [] : [join(resources, "themes")]),
			...(isMac ? [join("/", MAC_RESOURCES, "themes"), join(home, MAC_RESOURCES, "themes")] : []),
			...(platform === "win32" ? [] : dataFolders.map((folder) => join(folder, "ghostty/themes"))),
			...(platform === "linux" ? ["/snap/ghostty/current/share/ghostty/themes"] : []),
		],
	};
}

/** The specification says to ignore relative paths. */
function absolute(path: string | undefined): string | null {
	return path !== undefined && isAbsolute(path) ? path : null;
}

const ASK_TIMEOUT_MS = 1000;

/** Dark where nobody can tell: most terminals are. */
export function desktopScheme(platform: Platform): Scheme {
	if (platform === "darwin") {
		// The key is there only while the desktop is dark.
		return ask(["/usr/bin/defaults", "read", "-g", "AppleInterfaceStyle"]) === null ? "light" : "dark";
	}
	if (platform !== "linux") return "dark";
	const answer = ask(["gsettings", "get", "org.gnome.desktop.interface", "color-scheme"]);
	return answer?.includes("prefer-light") ? "light" : "dark";
}

/** What a program prints; null where it is missing or fails. */
function ask(argv: string[]): string | null {
	try {
		const { exitCode, stdout } = Bun.spawnSync(argv, {
			stdin: "ignore",
			stdout: "pipe",
			stderr: "ignore",
			timeout: ASK_TIMEOUT_MS,
		});
		return exitCode === 0 ? stdout.toString() : null;
	} catch {
		return null;
	}
}
