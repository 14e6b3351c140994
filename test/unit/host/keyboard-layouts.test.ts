import { expect, test } from "bun:test";
import {
	fromDefaultKeyboard,
	fromGnome,
	fromKde,
	fromLocalectl,
	fromMacos,
	fromSetxkbmap,
	fromWindows,
} from "../../../src/host/keyboard-layouts.ts";

test("setxkbmap -query", () => {
	const head = "rules:      evdev\nmodel:      pc105\n";
	expect(fromSetxkbmap(`${head}layout:     de\n`)).toBe("de");
	expect(fromSetxkbmap(`${head}layout:     de\nvariant:    nodeadkeys\n`)).toBe("de:nodeadkeys");
	expect(
		fromSetxkbmap(`${head}layout:     us,de\nvariant:    ,neo\noptions:    grp:alt_shift_toggle,caps:escape\n`),
	).toBe("us,de:,neo:grp:alt_shift_toggle,caps:escape");
	expect(fromSetxkbmap(`${head}layout:     fr\noptions:    caps:escape\n`)).toBe("fr::caps:escape");
	expect(fromSetxkbmap("Cannot open display\n")).toBeNull();
});

test("localectl status", () => {
	const text = [
		"   System Locale: LANG=de_DE.UTF-8",
		"       VC Keymap: de-nodeadkeys",
		"      X11 Layout: de",
		"       X11 Model: pc105",
		"     X11 Variant: nodeadkeys",
		"     X11 Options: terminate:ctrl_alt_bksp",
	].join("\n");
	expect(fromLocalectl(text)).toBe("de:nodeadkeys:terminate:ctrl_alt_bksp");
	expect(fromLocalectl("   System Locale: LANG=C.UTF-8\n       VC Keymap: n/a\n")).toBeNull();
});

test("GNOME and KDE, whose Wayland sessions X11's tools know nothing of", () => {
	expect(fromGnome("[('xkb', 'de+nodeadkeys'), ('xkb', 'us')]\n")).toBe("de:nodeadkeys");
	expect(fromGnome("[('ibus', 'anthy'), ('xkb', 'jp')]\n")).toBe("jp");
	expect(fromGnome("@a(ss) []\n")).toBeNull();
	expect(fromKde("[Layout]\nLayoutList=de,us\nVariantList=nodeadkeys,\nUse=true\n")).toBe("de,us:nodeadkeys,");
	expect(fromKde("[Layout]\nLayoutList=de\nUse=false\n")).toBeNull();
});

test("/etc/default/keyboard", () => {
	expect(fromDefaultKeyboard('# x\nXKBMODEL="pc105"\nXKBLAYOUT="gb"\nXKBVARIANT=""\nXKBOPTIONS=""\n')).toBe("gb");
	expect(fromDefaultKeyboard("XKBLAYOUT=us\nXKBVARIANT=intl\n")).toBe("us:intl");
	expect(fromDefaultKeyboard("")).toBeNull();
});

test("macOS", () => {
	expect(fromMacos("com.apple.keylayout.German\n")).toBe("de:mac");
	expect(fromMacos("com.apple.keylayout.ABC")).toBe("us");
	expect(fromMacos("com.apple.inputmethod.Kotoeri.Japanese")).toBeNull();
	expect(fromMacos("com.apple.keylayout.constructor")).toBeNull();
});

test("Windows", () => {
	const reg = (id: string) => `\r\nHKEY_CURRENT_USER\\Keyboard Layout\\Preload\r\n    1    REG_SZ    ${id}\r\n\r\n`;
	expect(fromWindows(reg("00000407"))).toBe("de");
	expect(fromWindows(reg("00020409"))).toBe("us:intl");
	expect(fromWindows(reg("d0010407"))).toBe("de");
	expect(fromWindows("ERROR: no such key")).toBeNull();
});
