/** The keyboard and the scale of the desktop that a window opens on. Whatever cannot be found out is left to the defaults. */
import { existsSync, readFileSync } from "node:fs";
import type { DesktopFact, Platform } from "../plan/facts.ts";
import {
	fromDefaultKeyboard,
	fromGnome,
	fromKde,
	fromLocalectl,
	fromMacos,
	fromSetxkbmap,
	fromWindows,
} from "./keyboard-layouts.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** A tool that hangs (an X server that does not answer) must not hold up the start. */
const TIMEOUT_MS = 2000;
/** X11's dots an inch at scale 1. */
const DPI = 96;
const DEFAULT_KEYBOARD = "/etc/default/keyboard";

export function askDesktop(platform: Platform, env: Env): DesktopFact {
	return { keymap: askKeymap(platform, env), scale: platform === "linux" ? askScale(env) : null };
}

function askKeymap(platform: Platform, env: Env): DesktopFact["keymap"] {
	for (const [why, ask] of keymapSources(platform, env)) {
		const value = ask();
		if (value !== null) return { value, why };
	}
	return null;
}

type Sources = readonly (readonly [string, () => string | null])[];

/** The first that answers. */
function keymapSources(platform: Platform, env: Env): Sources {
	switch (platform) {
		case "darwin": {
			const key = ["read", "com.apple.HIToolbox", "AppleCurrentKeyboardLayoutInputSourceID"];
			return [["macOS's input source", () => fromMacos(ask(["defaults", ...key], env))]];
		}
		case "win32": {
			const key = ["query", "HKCU\\Keyboard Layout\\Preload", "/v", "1"];
			return [["Windows' first keyboard layout", () => fromWindows(ask(["reg", ...key], env))]];
		}
		case "linux":
			return [
				...(env.WAYLAND_DISPLAY ? waylandSources(env) : x11Sources(env)),
				["localectl", () => fromLocalectl(ask(["localectl", "status"], env))],
				[DEFAULT_KEYBOARD, () => fromDefaultKeyboard(read(DEFAULT_KEYBOARD))],
			];
	}
}

function x11Sources(env: Env): Sources {
	return env.DISPLAY ? [["setxkbmap", () => fromSetxkbmap(ask(["setxkbmap", "-query"], env))]] : [];
}

/** Not setxkbmap: Xwayland names its own default there, whatever the compositor's keyboard is. */
function waylandSources(env: Env): Sources {
	const desktop = env.XDG_CURRENT_DESKTOP ?? "";
	const sources = ["gsettings", "get", "org.gnome.desktop.input-sources", "sources"] as const;
	if (/GNOME|Unity|Budgie/i.test(desktop)) return [["GNOME's input sources", () => fromGnome(ask(sources, env))]];
	const folder = env.XDG_CONFIG_HOME ?? `${env.HOME ?? ""}/.config`;
	return /KDE/i.test(desktop) ? [["KDE's kxkbrc", () => fromKde(read(`${folder}/kxkbrc`))]] : [];
}

function read(path: string): string {
	try {
		return existsSync(path) ? readFileSync(path, "utf8") : "";
	} catch {
		return "";
	}
}

/** What the desktop tells its programs. */
function askScale(env: Env): DesktopFact["scale"] {
	for (const name of ["GDK_SCALE", "QT_SCALE_FACTOR"]) {
		const value = Number(env[name]);
		if (value >= 1 && value <= 4) return { value, why: `${name} is ${value}` };
	}
	if (!env.DISPLAY) return null;
	const dpi = Number(/^Xft\.dpi:\s*([\d.]+)/m.exec(ask(["xrdb", "-query"], env))?.[1]);
	return dpi > 0 ? { value: dpi / DPI, why: `Xft.dpi is ${dpi}` } : null;
}

/** Stdout of a tool of the host's; nothing where it is missing, fails or hangs. */
function ask(argv: readonly [string, ...string[]], env: Env): string {
	const path = Bun.which(argv[0], { PATH: env.PATH ?? env.Path ?? "" });
	if (path === null) return "";
	const child = Bun.spawnSync([path, ...argv.slice(1)], {
		env: { ...env, LC_ALL: "C" },
		stdout: "pipe",
		stderr: "ignore",
		timeout: TIMEOUT_MS,
	});
	return child.exitCode === 0 ? child.stdout.toString() : "";
}
