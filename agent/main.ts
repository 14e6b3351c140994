/** virtualghost-agent: the guest's SSH server on vsock or the control card, and the reporter of what happens in the guest. */
import type { Server } from "node:net";
import packageJson from "../package.json" with { type: "json" };
import { agentEvent, HEARTBEAT_MS } from "../src/wire/events.ts";
import { AGENT_VSOCK_PORT, IDENTITY_OPTION } from "../src/wire/names.ts";
import { type Credentials, readCredentials, readGreeting } from "./credentials.ts";
import { SessionWatch, sendEvent, sendHeartbeat } from "./events.ts";
import { greet } from "./greeting.ts";
import { hasKernelOption } from "./kernel-options.ts";
import { createAgentServer } from "./server.ts";
import { hasControlCard, listenControlCard } from "./tcp.ts";
import { listenVsock } from "./vsock.ts";

const ANNOUNCE_AGAIN_MS = 1000;

async function main(): Promise<void> {
	if (process.argv.includes("--version")) {
		process.stdout.write(`virtualghost-agent ${packageJson.version}\n`);
		return;
	}
	if (process.argv[2] === "collect") {
		const [upper = "", lower = "", merged = ""] = process.argv.slice(3);
		const { collectWork, writeStdout } = await import("./collect.ts");
		collectWork({ upper, lower, merged }, writeStdout);
		return;
	}
	for (const event of ["uncaughtException", "unhandledRejection"] as const) process.on(event, survive);
	const watch = new SessionWatch(() => void followScreen());
	const restored = hasKernelOption(IDENTITY_OPTION);
	if (restored) watch.start();
	const credentials = restored ? await identify() : readCredentials();
	if (!restored) greet(readGreeting());
	const server = createAgentServer(credentials);
	await listen(server);
	if (restored) watch.tellAgain();
	else watch.start();
	// Last: from this line on the launcher counts on everything above.
	sendEvent(agentEvent(packageJson.version));
	// Until somebody comes: a line that went out before the host had connected its end is lost.
	const again = setInterval(() => sendEvent(agentEvent(packageJson.version)), ANNOUNCE_AGAIN_MS);
	server.once("connection", () => clearInterval(again));
	setInterval(sendHeartbeat, HEARTBEAT_MS);
	process.on("SIGTERM", () => {
		watch.check();
		process.exit(0);
	});
}

/** Who a restored machine is. Loaded where it is needed only: it takes a part of the start that a cold machine does without. */
async function identify(): Promise<Credentials> {
	const { readKeptKeys, receiveIdentity } = await import("./identity.ts");
	return readKeptKeys() ?? (await receiveIdentity());
}

/** Loaded when there is a session: so late that it takes nothing of the start. */
async function followScreen(): Promise<void> {
	const { ScreenFollower } = await import("./screen-follow.ts");
	new ScreenFollower().start();
}

/** A defect in one session is no reason to cut off all others: this process is the only way in. */
function survive(error: unknown): void {
	const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
	process.stderr.write(`virtualghost-agent: defect: ${text.slice(0, 2000)}\n`);
}

/** On vsock, and on the control card where the machine has one: then a kernel without vsock will do. */
async function listen(server: Server): Promise<void> {
	const onCard = hasControlCard();
	if (onCard) await listenControlCard(server);
	try {
		await listenVsock(server, AGENT_VSOCK_PORT);
	} catch (error) {
		if (!onCard) throw error;
		process.stderr.write(`virtualghost-agent: no vsock: ${String(error)}\n`);
	}
}

main().catch((error: unknown) => {
	process.stderr.write(`virtualghost-agent: ${error instanceof Error ? error.stack : String(error)}\n`);
	process.exit(1);
});
