/** Names that come from the guest: which of them may become names here, and how they are shown. */
import { printable } from "../../errors.ts";

/** NAME_MAX of Linux, macOS and NTFS (there in UTF-16 units, of which no name has more than bytes). */
const NAME_BYTES_MAX = 255;

/** PATH_MAX of Linux less its final zero: no link there is longer. */
const LINK_BYTES_MAX = 4095;

/** Windows opens the device whatever follows the dot, and whatever spaces stand before it. */
const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(?:\.|$)/i;
/** `:` opens an alternate stream; the others are refused by Windows itself, some of them only later and less clearly. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are among what Windows refuses.
const WINDOWS_REFUSED = /[\\/:*?"<>|\x00-\x1f]/;

/** Why a folder's entry from the guest cannot have this name here; null if it can. */
export function nameProblem(name: string, platform: NodeJS.Platform): string | null {
	if (name === "") return "it has no name";
	if (name === "." || name === "..") return "its name means another folder";
	if (name.includes("/")) return "its name holds a /";
	if (name.includes("\0")) return "its name holds a NUL";
	if (Buffer.byteLength(name) > NAME_BYTES_MAX) return "its name is too long";
	if (platform !== "win32") return null;
	if (WINDOWS_REFUSED.test(name)) return "Windows allows no such name";
	if (/[. ]$/.test(name)) return "Windows drops the dot or space at the end of its name";
	if (WINDOWS_DEVICE.test(name)) return "its name is a device's on Windows";
	return null;
}

/** Why a link from the guest cannot have this target; null if it can. Where it leads is not judged: nothing follows it. */
export function linkTargetProblem(target: string): string | null {
	if (target === "") return "its target is empty";
	if (target.includes("\0")) return "its target holds a NUL";
	if (Buffer.byteLength(target) > LINK_BYTES_MAX) return "its target is too long";
	return null;
}

/** The end of a path says more than its beginning. */
const SHOWN_CHARS_MAX = 200;

/** A path or the guest's own words on one line of a message. */
export function shown(text: string): string {
	const short = text.length > SHOWN_CHARS_MAX ? `…${text.slice(-SHOWN_CHARS_MAX)}` : text;
	return printable(short.toWellFormed());
}
