/**
 * Arguments as one command line for the guest's bash: SSH carries a line, not a list. Pure. The result is plain ASCII, since a
 * line travels as UTF-8 text, and arguments may be any bytes.
 */

const SAFE = /^[A-Za-z0-9_@%+=:,./-]+$/;
const PRINTABLE = /^[ -~]*$/;

/** One argument; strings are taken as UTF-8. @throws RangeError for a NUL, which no argument can hold. */
export function quoteArgument(argument: string | Uint8Array): string {
	const bytes = typeof argument === "string" ? Buffer.from(argument) : Buffer.from(argument);
	if (bytes.includes(0)) throw new RangeError("an argument cannot hold a NUL");
	const text = bytes.toString("latin1");
	if (SAFE.test(text)) return text;
	if (PRINTABLE.test(text)) return `'${text.replaceAll("'", "'\\''")}'`;
	// $'…' is bash's own; three octal digits always end by themselves, unlike \x.
	return `$'${[...bytes].map(escapeByte).join("")}'`;
}

function escapeByte(byte: number): string {
	const char = String.fromCharCode(byte);
	if (char === "'" || char === "\\") return `\\${char}`;
	return byte >= 0x20 && byte <= 0x7e ? char : `\\${byte.toString(8).padStart(3, "0")}`;
}

export function quoteCommand(argv: readonly (string | Uint8Array)[]): string {
	return argv.map(quoteArgument).join(" ");
}
