/** Where VirtualGhost keeps its files on this platform. Nothing is created here. */
import { existsSync, lstatSync, mkdirSync } from "node:fs";
import os from "node:os";
import { isAbsolute, join } from "node:path";
import { xdgCache, xdgConfig, xdgData, xdgRuntime, xdgState } from "xdg-basedir";
import { Fault, reason } from "../errors.ts";

const APP = "virtualghost";

export interface Directories {
	readonly home: string;
	/** Holds `config.toml`. */
	readonly config: string;
	/** The user's disks: never removed without being asked. */
	readonly data: string;
	/** Extracted assets; may be deleted at any time when nothing runs. */
	readonly cache: string;
	/** Logs of the last runs, and what was learned about this host. */
	readonly state: string;
	/** Sockets and keys of running instances; short-lived, private. */
	readonly runtime: string;
}

/** @throws Fault where there is no home directory and nothing in the environment that replaces it. */
export function findDirectories(env: Readonly<Record<string, string | undefined>>): Directories {
	const home = findHome(env);
	const { LOCALAPPDATA: local, APPDATA: roaming } = env;
	/** An XDG variable counts on every platform; without it each platform has its own custom. */
	const place = (name: string, xdg: string | undefined, windows: string | undefined, darwin: string, linux: string) => {
		const asked = process.platform === "linux" || env[name] ? xdg : undefined;
		// The specification says to ignore relative paths.
		if (asked && isAbsolute(asked)) return join(asked, APP);
		if (process.platform === "win32" && windows) return join(windows, APP);
		return join(home, process.platform === "darwin" ? darwin : linux, APP);
	};
	return {
		home,
		config: place("XDG_CONFIG_HOME", xdgConfig, roaming, "Library/Application Support", ".config"),
		data: place("XDG_DATA_HOME", xdgData, local && join(local, "Data"), "Library/Application Support", ".local/share"),
		cache: place("XDG_CACHE_HOME", xdgCache, local && join(local, "Cache"), "Library/Caches", ".cache"),
		state: place("XDG_STATE_HOME", xdgState, local, "Library/Logs", ".local/state"),
		runtime: findRuntime(),
	};
}

/** `$HOME`, else the account's own entry: a service manager or `env -i` may have left HOME out. */
function findHome(env: Readonly<Record<string, string | undefined>>): string {
	const candidates = [env.HOME, env.USERPROFILE, safeUserHome()];
	const home = candidates.find((candidate) => candidate !== undefined && candidate !== "");
	if (home) return home;
	throw new Fault("There is no home directory to keep the cache in", {
		why: "HOME is not set and the account has none",
		fix: "set HOME to a folder that you can write to",
	});
}

function safeUserHome(): string | undefined {
	try {
		return os.userInfo().homedir;
	} catch {
		return undefined;
	}
}

/** `$XDG_RUNTIME_DIR`, else a folder of this user's in the temporary folder. */
function findRuntime(): string {
	if (xdgRuntime && existsSync(xdgRuntime)) return join(xdgRuntime, APP);
	const uid = process.getuid?.();
	return join(os.tmpdir(), uid === undefined ? APP : `${APP}-${uid}`);
}

/**
 * Makes `path` a folder that only this user can enter.
 *
 * @throws Fault if it belongs to somebody else or is a link: the temporary folder is shared, and keys will lie in it.
 */
export function ensurePrivateFolder(path: string): void {
	try {
		mkdirSync(path, { recursive: true, mode: 0o700 });
		const stat = lstatSync(path);
		const uid = process.getuid?.();
		const mine = uid === undefined || stat.uid === uid;
		const closed = process.platform === "win32" || (stat.mode & 0o077) === 0;
		if (stat.isDirectory() && mine && closed) return;
	} catch (error) {
		throw new Fault(`The folder ${path} cannot be made`, {
			why: reason(error),
			fix: "check its parent's permissions",
			cause: error,
		});
	}
	throw new Fault(`The folder ${path} is not private to you`, {
		why: "it must be a real folder that belongs to you, with mode 0700",
		fix: `remove it, or set XDG_RUNTIME_DIR to a folder of yours`,
	});
}
