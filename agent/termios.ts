/**
 * SSH's terminal modes (RFC 4254, section 8) applied to the kernel's `struct termios` (asm-generic/termbits.h: x86 and arm64
 * share it): four 32-bit flag words, the line discipline, 19 control characters. Pure.
 */
import type { TerminalModes } from "ssh2";

export const TERMIOS_BYTES = 36;
const CC_OFFSET = 17;
/** In SSH 255 stands for "no character", in the kernel 0 does. */
const SSH_NO_CHARACTER = 255;

type Word = 0 | 4 | 8 | 12;
const IFLAG: Word = 0;
const OFLAG: Word = 4;
const CFLAG: Word = 8;
const LFLAG: Word = 12;

/** Mode -> flag word and bit. */
const FLAGS: Readonly<Record<string, readonly [Word, number]>> = {
	IGNPAR: [IFLAG, 0o4],
	PARMRK: [IFLAG, 0o10],
	INPCK: [IFLAG, 0o20],
	ISTRIP: [IFLAG, 0o40],
	INLCR: [IFLAG, 0o100],
	IGNCR: [IFLAG, 0o200],
	ICRNL: [IFLAG, 0o400],
	IUCLC: [IFLAG, 0o1000],
	IXON: [IFLAG, 0o2000],
	IXANY: [IFLAG, 0o4000],
	IXOFF: [IFLAG, 0o10000],
	IMAXBEL: [IFLAG, 0o20000],
	IUTF8: [IFLAG, 0o40000],
	OPOST: [OFLAG, 0o1],
	OLCUC: [OFLAG, 0o2],
	ONLCR: [OFLAG, 0o4],
	OCRNL: [OFLAG, 0o10],
	ONOCR: [OFLAG, 0o20],
	ONLRET: [OFLAG, 0o40],
	PARENB: [CFLAG, 0o400],
	PARODD: [CFLAG, 0o1000],
	ISIG: [LFLAG, 0o1],
	ICANON: [LFLAG, 0o2],
	XCASE: [LFLAG, 0o4],
	ECHO: [LFLAG, 0o10],
	ECHOE: [LFLAG, 0o20],
	ECHOK: [LFLAG, 0o40],
	ECHONL: [LFLAG, 0o100],
	NOFLSH: [LFLAG, 0o200],
	TOSTOP: [LFLAG, 0o400],
	ECHOCTL: [LFLAG, 0o1000],
	ECHOKE: [LFLAG, 0o4000],
	PENDIN: [LFLAG, 0o40000],
	IEXTEN: [LFLAG, 0o100000],
};

/** Mode -> index in `c_cc`. */
const CHARACTERS: Readonly<Record<string, number>> = {
	VINTR: 0,
	VQUIT: 1,
	VERASE: 2,
	VKILL: 3,
	VEOF: 4,
	VSWTCH: 7,
	VSTART: 8,
	VSTOP: 9,
	VSUSP: 10,
	VEOL: 11,
	VREPRINT: 12,
	VDISCARD: 13,
	VWERASE: 14,
	VLNEXT: 15,
	VEOL2: 16,
};

/** A copy of `termios` with the client's modes; modes without a counterpart in Linux are left out, as sshd does. */
export function applyModes(termios: Uint8Array, modes: TerminalModes): Uint8Array<ArrayBuffer> {
	const bytes = new Uint8Array(termios);
	const view = new DataView(bytes.buffer);
	for (const [name, value] of Object.entries(modes)) {
		const flag = FLAGS[name];
		const character = CHARACTERS[name];
		if (flag) {
			const [word, bit] = flag;
			const old = view.getUint32(word, true);
			view.setUint32(word, value === 0 ? old & ~bit : old | bit, true);
		} else if (character !== undefined) {
			bytes[CC_OFFSET + character] = value === SSH_NO_CHARACTER ? 0 : value & 0xff;
		}
	}
	return bytes;
}
