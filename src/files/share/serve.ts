/** Joins a share to a channel of the guest's, until one of both ends. */
import type { Duplex } from "node:stream";
import { decodeRequest, PacketSplitter } from "./packets.ts";
import { type ShareOptions, ShareServer } from "./server.ts";

/** Requests that may be answered before everything else in this process has its turn. */
const TURN_REQUESTS = 32;

/**
 * Resolves when the channel has ended. Requests are answered one after the other, and nothing more is read while an answer waits to be
 * taken: a guest that asks and does not read costs one packet.
 *
 * @throws BadPacket if the guest sends what is no SFTP; Error of the system where the folder cannot be opened
 */
export async function serveShare(channel: Duplex, options: ShareOptions): Promise<void> {
	using server = new ShareServer(options);
	const splitter = new PacketSplitter();
	const closed = new Promise<void>((resolve) => channel.once("close", resolve));
	let answered = 0;
	for await (const chunk of channel) {
		for (const packet of splitter.push(chunk as Buffer)) {
			const reply = await server.answer(decodeRequest(packet));
			// A guest that asks without end must not keep the launcher from its signals, timers and other connections.
			if (++answered % TURN_REQUESTS === 0) await new Promise<void>((resolve) => setImmediate(resolve));
			if (channel.destroyed || !channel.writable) return;
			if (!channel.write(reply))
				await Promise.race([new Promise<void>((resolve) => channel.once("drain", resolve)), closed]);
		}
	}
}
