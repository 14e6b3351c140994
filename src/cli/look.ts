/** The look of a run's terminal: this host's Ghostty configuration, reduced, with the wishes of the command line over it. */
import type { Config } from "../config/schema.ts";
import { EXIT, Fault } from "../errors.ts";
import { type Collected, type CollectOptions, collect, openTheme } from "../ghostty/collect.ts";
import { toFoot } from "../ghostty/foot.ts";
import { type Reduced, reduce, type TrustWord, valuesOf, writeConfig } from "../ghostty/reduce.ts";
import { hostPlatform } from "../host/facts.ts";
import { configReader } from "../host/ghostty-files.ts";
import { desktopScheme, ghosttyPlaces } from "../host/ghostty-places.ts";
import { findOwnFonts, type OwnFonts } from "../host/own-fonts.ts";
import { type Look, makeLook } from "../vm/look.ts";
import type { Context } from "./context.ts";

export interface TerminalLook {
	/** Null where nothing differs from the image's own. */
	readonly look: Look | null;
	/** Files of the configuration, in the order in which they count. */
	readonly files: readonly string[];
	readonly reduced: Reduced;
	readonly fonts: OwnFonts;
	/** Keys that the stand-in has no word for; empty where Ghostty itself is in the image. */
	readonly notShown: readonly string[];
	/** For `-v`. */
	readonly details: readonly string[];
}

/** Fonts of the image (vm-assets/rootfs). */
const IMAGE_FONTS = ["DejaVu Sans Mono", "DejaVu Sans", "DejaVu Serif"];
/** Lines about what was left out that `-v` shows; `doctor` shows all. */
const DETAILS_MAX = 40;

/** Null for a machine without a terminal. @throws Fault where a file or a theme that was asked for cannot be had */
export function findLook(context: Context, config: Config): TerminalLook | null {
	if (config.gpu.mode === "none") return null;
	const options = collectOptions(context, config);
	const collected = collect(options);
	if (config.terminal.ghosttyConfig !== "auto" && options.mains.length > 0 && collected.files.length === 0) {
		throw new Fault(`The Ghostty configuration ${config.terminal.ghosttyConfig} cannot be read`, {
			why: collected.dropped[0]?.why,
			fix: "check --ghostty-config; none does without",
			exitCode: EXIT.usage,
		});
	}
	const theme = askedTheme(context, config, options);
	const reduced = reduce(collected, {
		fontSize: config.terminal.fontSize,
		...(theme === null ? {} : { theme }),
		trust: config.terminal.trustColours === "background" ? trustWord(config) : null,
	});
	return finish(context, config, collected, reduced);
}

/** What the machine may reach, as it was asked for: a host that can give it less has not made it less trusted. */
function trustWord({ network }: Config): TrustWord {
	// Whatever is allowed besides is more than nothing.
	return network.mode === "none" && network.allow !== null ? "internet" : network.mode;
}

function collectOptions({ env, directories }: Context, { terminal }: Config): CollectOptions {
	const platform = hostPlatform();
	const places = ghosttyPlaces(platform, env, directories.home);
	const asked = terminal.ghosttyConfig;
	// One that is not there is no mistake, unless it was asked for.
	const found = places.mains.filter((path) => configReader.read(path).kind !== "missing");
	return {
		reader: configReader,
		mains: asked === "none" ? [] : asked === "auto" ? found : [asked],
		home: directories.home,
		themeFolders: places.themeFolders,
		scheme: () => desktopScheme(platform),
	};
}

/** @throws Fault where there is no such theme, neither here nor, as far as can be known, in the guest */
function askedTheme({ embedded }: Context, { terminal }: Config, options: CollectOptions): Collected["theme"] {
	if (terminal.theme === null) return null;
	const found = openTheme(terminal.theme, options);
	const isKnownInGuest = embedded.manifest?.terminal.standIn === false;
	if (!("why" in found) && (!("name" in found) || isKnownInGuest)) return found;
	throw new Fault(`There is no theme "${terminal.theme}"`, {
		why: "why" in found ? found.why : `it is in none of ${options.themeFolders.join(", ")}`,
		fix: "check --theme; a path to a file needs a slash in it, such as ./paper",
		exitCode: EXIT.usage,
	});
}

const FAMILY_KEYS = ["font-family", "font-family-bold", "font-family-italic", "font-family-bold-italic"];

function finish(context: Context, config: Config, collected: Collected, reduced: Reduced): TerminalLook {
	const mapped = valuesOf(reduced, "font-codepoint-map").map((value) => value.slice(value.indexOf("=") + 1));
	const families = [...FAMILY_KEYS.flatMap((key) => valuesOf(reduced, key)), ...mapped];
	const wanted = families.filter((family) => !IMAGE_FONTS.includes(family));
	const fonts: OwnFonts = config.terminal.hostFonts
		? findOwnFonts(wanted, hostPlatform(), context.directories.home)
		: { fonts: [], missing: [...new Set(wanted)].map((family) => ({ family, why: "host-fonts is off" })) };
	const present = new Set([...IMAGE_FONTS, ...fonts.fonts.map(({ family }) => family)]);
	const foot = toFoot(reduced, { hasFont: (family) => present.has(family) });
	const isEmpty = reduced.settings.length === 0;
	const parts = { ghosttyConf: writeConfig(reduced), footIni: foot.text, fonts: fonts.fonts };
	const files = collected.files.map(({ path }) => path);
	const notShown = context.embedded.manifest?.terminal.standIn === false ? [] : foot.notShown;
	return {
		look: isEmpty ? null : makeLook(context.directories.cache, parts),
		files,
		reduced,
		fonts,
		notShown,
		details: describeLook(files, reduced, fonts, notShown),
	};
}

function describeLook(
	files: readonly string[],
	reduced: Reduced,
	fonts: OwnFonts,
	notShown: readonly string[],
): string[] {
	const { settings, dropped } = reduced;
	if (files.length === 0 && settings.length === 0 && dropped.length === 0) return [];
	return [
		`ghostty: ${settings.length} settings from ${files.join(", ") || "the command line"}`,
		...fonts.fonts.map(({ family, path }) => `ghostty: font ${family}: ${path} is handed over`),
		...fonts.missing.map(({ family, why }) => `ghostty: font ${family} is not handed over: ${why}`),
		...(notShown.length > 0 ? [`ghostty: the stand-in has no word for ${notShown.join(", ")}`] : []),
		...dropped.slice(0, DETAILS_MAX).map(({ key, where, why }) => `ghostty: left out: ${where}: ${key}: ${why}`),
		...(dropped.length > DETAILS_MAX ? [`ghostty: ${dropped.length - DETAILS_MAX} more: virtualghost doctor`] : []),
	];
}
