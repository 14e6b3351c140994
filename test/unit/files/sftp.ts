/** A client of our SFTP server that can say anything, also what sshfs would not. */
import { decodeRequest } from "../../../src/files/share/packets.ts";
import type { ShareServer } from "../../../src/files/share/server.ts";

export type Field = number | bigint | Buffer | string;

/** One request without its length word; strings are taken as UTF-8. */
export function requestBytes(type: number, ...fields: readonly Field[]): Buffer {
	const parts = fields.flatMap((field) => {
		if (typeof field === "number") return [word(field)];
		if (typeof field === "bigint") {
			const long = Buffer.alloc(8);
			long.writeBigUInt64BE(field);
			return [long];
		}
		const bytes = Buffer.from(field as string);
		return [word(bytes.length), bytes];
	});
	return Buffer.concat([Buffer.of(type), ...parts]);
}

export function word(value: number): Buffer {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32BE(value >>> 0);
	return bytes;
}

export interface Reply {
	readonly type: number;
	/** Of a STATUS; 0 for every other reply. */
	readonly status: number;
	/** What follows the id. */
	readonly body: Buffer;
}

export async function ask(server: ShareServer, type: number, ...fields: readonly Field[]): Promise<Reply> {
	const bytes = await server.answer(decodeRequest(requestBytes(type, 7, ...fields)));
	if (bytes.readUInt32BE(0) !== bytes.length - 4 || bytes.readUInt32BE(5) !== 7) throw new Error("a malformed reply");
	const replyType = bytes.readUInt8(4);
	return { type: replyType, status: replyType === 101 ? bytes.readUInt32BE(9) : 0, body: bytes.subarray(9) };
}

export const TYPE = {
	open: 3,
	close: 4,
	read: 5,
	write: 6,
	lstat: 7,
	fstat: 8,
	setstat: 9,
	fsetstat: 10,
	opendir: 11,
	readdir: 12,
	remove: 13,
	mkdir: 14,
	rmdir: 15,
	realpath: 16,
	stat: 17,
	rename: 18,
	readlink: 19,
	symlink: 20,
	extended: 200,
} as const;

/** The whole content of a file, or the status that refused it. */
export async function readFile(server: ShareServer, path: string | Buffer): Promise<Buffer | number> {
	const opened = await ask(server, TYPE.open, path, 1, 0);
	if (opened.type !== 102) return opened.status;
	const handle = opened.body.subarray(4);
	const parts: Buffer[] = [];
	for (let offset = 0n; ; ) {
		const { type, status, body } = await ask(server, TYPE.read, handle, offset, 65536);
		if (type !== 103) {
			await ask(server, TYPE.close, handle);
			return status === 1 ? Buffer.concat(parts) : status;
		}
		parts.push(body.subarray(4));
		offset += BigInt(body.length - 4);
	}
}
