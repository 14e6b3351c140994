/** The agent's listener on the control card, in a machine whose host has no vsock. */
import net from "node:net";
import { AGENT_TCP_PORT, CONTROL_CARD, CONTROL_CARD_OPTION } from "../src/wire/names.ts";
import { hasKernelOption } from "./kernel-options.ts";

/** Whether the launcher gave this machine a control card; the initramfs has given it its address then. */
export function hasControlCard(): boolean {
	return hasKernelOption(CONTROL_CARD_OPTION);
}

/**
 * Listens on the card's own address, so that no other card of the guest leads here, and hands every connection to `server`.
 *
 * @throws Error if the card has no address yet.
 */
export async function listenControlCard(server: net.Server): Promise<void> {
	const listener = net.createServer({ noDelay: true }, (socket) => {
		server.emit("connection", socket);
	});
	// Bun's server counts only what it has accepted itself. Everything else `server` limits by itself.
	listener.maxConnections = server.maxConnections;
	await new Promise<void>((resolve, reject) => {
		listener.once("error", reject);
		listener.listen(AGENT_TCP_PORT, CONTROL_CARD.address, () => {
			listener.off("error", reject);
			resolve();
		});
	});
}
