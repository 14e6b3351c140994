/** Text as key presses of a US keyboard, in QEMU's key codes (qapi/ui.json, QKeyCode). */

const PLAIN: Readonly<Record<string, string>> = {
	" ": "spc",
	"\n": "ret",
	"-": "minus",
	"=": "equal",
	"[": "bracket_left",
	"]": "bracket_right",
	";": "semicolon",
	"'": "apostrophe",
	"`": "grave_accent",
	"\\": "backslash",
	",": "comma",
	".": "dot",
	"/": "slash",
};

/** Characters on the same key with Shift. */
const SHIFTED: Readonly<Record<string, string>> = {
	"!": "1",
	"@": "2",
	"#": "3",
	$: "4",
	"%": "5",
	"^": "6",
	"&": "7",
	"*": "8",
	"(": "9",
	")": "0",
	_: "minus",
	"+": "equal",
	"{": "bracket_left",
	"}": "bracket_right",
	":": "semicolon",
	'"': "apostrophe",
	"~": "grave_accent",
	"|": "backslash",
	"<": "comma",
	">": "dot",
	"?": "slash",
};

/** The keys to press together for one character. @throws RangeError for a character that a US keyboard has not. */
export function keysFor(char: string): string[] {
	if (/^[a-z0-9]$/.test(char)) return [char];
	if (/^[A-Z]$/.test(char)) return ["shift", char.toLowerCase()];
	const plain = PLAIN[char];
	if (plain) return [plain];
	const shifted = SHIFTED[char];
	if (shifted) return ["shift", shifted];
	throw new RangeError(`no key for ${JSON.stringify(char)}`);
}
