/** Keyboard layouts of macOS and Windows in XKB's names, for those that have one. Pure. */

/** Ends of `com.apple.keylayout.…`. */
const MACOS: Readonly<Record<string, string>> = {
	ABC: "us",
	US: "us",
	USExtended: "us:altgr-intl",
	USInternational: "us:intl",
	"USInternational-PC": "us:intl",
	Dvorak: "us:dvorak",
	Colemak: "us:colemak",
	Australian: "us",
	British: "gb:mac",
	"British-PC": "gb",
	Irish: "ie",
	Canadian: "us",
	"Canadian-CSA": "ca:multix",
	German: "de:mac",
	"German-DIN-2137": "de",
	Austrian: "at:mac",
	SwissGerman: "ch:de_mac",
	SwissFrench: "ch:fr_mac",
	French: "fr:mac",
	"French-PC": "fr",
	"French-numerical": "fr:mac",
	Belgian: "be",
	Dutch: "us:intl",
	Spanish: "es",
	"Spanish-ISO": "es:mac",
	Italian: "it:mac",
	"Italian-Pro": "it:mac",
	Portuguese: "pt:mac",
	Brazilian: "br",
	"Brazilian-ABNT2": "br",
	Danish: "dk:mac",
	Norwegian: "no:mac",
	Swedish: "se:mac",
	"Swedish-Pro": "se:mac",
	Finnish: "fi:mac",
	Polish: "pl:qwertz",
	PolishPro: "pl",
	Czech: "cz",
	"Czech-QWERTY": "cz:qwerty",
	Slovak: "sk",
	Hungarian: "hu",
	Turkish: "tr",
	Greek: "gr",
	Russian: "ru:mac",
	RussianWin: "ru",
	Ukrainian: "ua",
	Hebrew: "il",
};

/** Language halves of Windows' layout ids (the low 16 bits). */
const WINDOWS_LANGUAGES: Readonly<Record<string, string>> = {
	"0405": "cz",
	"0406": "dk",
	"0407": "de",
	"0408": "gr",
	"0409": "us",
	"040a": "es",
	"040b": "fi",
	"040c": "fr",
	"040d": "il",
	"040e": "hu",
	"040f": "is",
	"0410": "it",
	"0411": "jp",
	"0412": "kr",
	"0413": "us:intl",
	"0414": "no",
	"0415": "pl",
	"0416": "br",
	"0418": "ro",
	"0419": "ru",
	"041a": "hr",
	"041b": "sk",
	"041d": "se",
	"041f": "tr",
	"0422": "ua",
	"0424": "si",
	"0425": "ee",
	"0426": "lv",
	"0427": "lt",
	"0807": "ch",
	"0809": "gb",
	"080a": "latam",
	"080c": "be",
	"0813": "be",
	"0816": "pt",
	"0c07": "at",
	"0c0c": "ca",
	"100c": "ch:fr",
	"1009": "ca",
	"1809": "ie",
};

/** Whole ids that mean another layout than their language does. */
const WINDOWS_VARIANTS: Readonly<Record<string, string>> = {
	"00010409": "us:dvorak",
	"00020409": "us:intl",
	"00010405": "cz:qwerty",
	"00010415": "pl:qwertz",
	"0001041f": "tr:f",
	"00000452": "gb",
	"0001080c": "be",
};

/** Of `defaults read com.apple.HIToolbox AppleCurrentKeyboardLayoutInputSourceID`; null where XKB has none that is like it. */
export function fromMacos(inputSource: string): string | null {
	const name = /^com\.apple\.keylayout\.(.+)$/.exec(inputSource.trim())?.[1];
	return name !== undefined && Object.hasOwn(MACOS, name) ? (MACOS[name] ?? null) : null;
}

/** Of `reg query "HKCU\Keyboard Layout\Preload" /v 1`. */
export function fromWindows(output: string): string | null {
	const id = /\bREG_SZ\s+([0-9a-f]{8})\b/i.exec(output)?.[1]?.toLowerCase();
	if (id === undefined) return null;
	return WINDOWS_VARIANTS[id] ?? WINDOWS_LANGUAGES[id.slice(4)] ?? null;
}

/** `setxkbmap -query`, which names what the X server has now. */
export function fromSetxkbmap(output: string): string | null {
	return fromFields(output, /^(layout|variant|options):\s*(.*)$/gm);
}

/** `localectl status`. */
export function fromLocalectl(output: string): string | null {
	return fromFields(output, /^\s*X11 (Layout|Variant|Options):\s*(.*)$/gm);
}

/** `gsettings get org.gnome.desktop.input-sources sources`: `[('xkb', 'de+nodeadkeys'), ('ibus', 'anthy')]`; the first keyboard. */
export function fromGnome(output: string): string | null {
	const [, layout, variant] = /\('xkb', '([^'+]+)(?:\+([^']+))?'\)/.exec(output) ?? [];
	if (layout === undefined) return null;
	return variant === undefined ? layout : `${layout}:${variant}`;
}

/** KDE's kxkbrc, whose list counts only where it is switched on. */
export function fromKde(file: string): string | null {
	if (!/^Use=true$/m.test(file)) return null;
	return fromFields(file, /^(Layout|Variant)List=(.*)$/gm);
}

/** keyboard(5), of Debian and its descendants. */
export function fromDefaultKeyboard(file: string): string | null {
	return fromFields(file, /^\s*XKB(LAYOUT|VARIANT|OPTIONS)\s*=\s*(.*)$/gm);
}

function fromFields(text: string, pattern: RegExp): string | null {
	const fields = new Map<string, string>();
	for (const [, name = "", value = ""] of text.matchAll(pattern)) {
		fields.set(name.toLowerCase(), value.trim().replaceAll(/^["']|["']$/g, ""));
	}
	const layout = fields.get("layout");
	if (!layout) return null;
	const words = [layout, fields.get("variant") ?? "", fields.get("options") ?? ""];
	return words.join(":").replace(/:+$/, "");
}
