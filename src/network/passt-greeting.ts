/** Asks passt who has the gateway's address: it answers when it has locked itself in and carries traffic. */
import type { Duplex } from "node:stream";
import { FrameStream, withPrefix } from "../filter/frames.ts";
import { LINK_BYTES } from "../filter/link.ts";

const TYPE_ARP = 0x0806;
/** Of nobody: the guest's own card says who it is later. */
const ASKER = [0x52, 0x54, 0, 0x76, 0x68, 0];

/** Resolves with what passt had sent besides. Never, if it does not answer; rejects if it closes. */
export async function greetPasst(passt: Duplex): Promise<Buffer> {
	const frames = new FrameStream();
	const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
	const others: Buffer[] = [];
	let answered = false;
	const onData = (chunk: Buffer) => {
		frames.push(chunk, (bytes, at, length) => {
			const frame = Buffer.from(bytes.subarray(at, at + length));
			if (!answered && frame.readUInt16BE(12) === TYPE_ARP) answered = true;
			else others.push(Buffer.from(withPrefix(frame)));
		});
		if (!answered) return;
		passt.pause();
		passt.off("data", onData);
		resolve(Buffer.concat(others));
	};
	passt.on("data", onData);
	passt.once("close", () => reject(new Error("passt closed the connection")));
	passt.write(withPrefix(question()));
	return await promise;
}

function question(): Uint8Array {
	const { address, gateway } = LINK_BYTES;
	const ethernet = [...Array.from({ length: 6 }, () => 0xff), ...ASKER, TYPE_ARP >> 8, TYPE_ARP & 0xff];
	const nobody = Array.from({ length: 6 }, () => 0);
	return Uint8Array.from([...ethernet, 0, 1, 8, 0, 6, 4, 0, 1, ...ASKER, ...address, ...nobody, ...gateway.bytes]);
}
