/** virtualghost-agent: the guest's SSH server on vsock, and the reporter of what happens in the guest. */
import packageJson from "../package.json" with { type: "json" };
import { agentEvent } from "../src/wire/events.ts";
import { AGENT_VSOCK_PORT } from "../src/wire/names.ts";
import { readCredentials } from "./credentials.ts";
import { SessionWatch, sendEvent } from "./events.ts";
import { createAgentServer } from "./server.ts";
import { listenVsock } from "./vsock.ts";

const ANNOUNCE_AGAIN_MS = 1000;

async function main(): Promise<void> {
	if (process.argv.includes("--version")) {
		process.stdout.write(`virtualghost-agent ${packageJson.version}\n`);
		return;
	}
	const credentials = readCredentials(process.env.CREDENTIALS_DIRECTORY);
	const server = createAgentServer(credentials);
	await listenVsock(server, AGENT_VSOCK_PORT);
	const watch = new SessionWatch();
	watch.start();
	// Last: from this line on the launcher counts on everything above.
	sendEvent(agentEvent(packageJson.version));
	// Until somebody comes: a line that went out before the host had connected its end is lost.
	const again = setInterval(() => sendEvent(agentEvent(packageJson.version)), ANNOUNCE_AGAIN_MS);
	server.once("connection", () => clearInterval(again));
	for (const event of ["uncaughtException", "unhandledRejection"] as const) process.on(event, survive);
	process.on("SIGTERM", () => {
		watch.check();
		process.exit(0);
	});
}

/** A defect in one session is no reason to cut off all others: this process is the only way in. */
function survive(error: unknown): void {
	const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
	process.stderr.write(`virtualghost-agent: defect: ${text.slice(0, 2000)}\n`);
}

main().catch((error: unknown) => {
	process.stderr.write(`virtualghost-agent: ${error instanceof Error ? error.stack : String(error)}\n`);
	process.exit(1);
});
