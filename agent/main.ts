/** virtualghost-agent: the guest's SSH server on vsock, and the reporter of what happens in the guest. */
import packageJson from "../package.json" with { type: "json" };
import { agentEvent } from "../src/wire/events.ts";
import { AGENT_VSOCK_PORT } from "../src/wire/names.ts";
import { readCredentials } from "./credentials.ts";
import { SessionWatch, sendEvent } from "./events.ts";
import { createAgentServer } from "./server.ts";
import { listenVsock } from "./vsock.ts";

async function main(): Promise<void> {
	if (process.argv.includes("--version")) {
		process.stdout.write(`virtualghost-agent ${packageJson.version}\n`);
		return;
	}
	const credentials = readCredentials(process.env.CREDENTIALS_DIRECTORY);
	await listenVsock(createAgentServer(credentials), AGENT_VSOCK_PORT);
	const watch = new SessionWatch();
	watch.start();
	// Last: from this line on the launcher counts on everything above.
	sendEvent(agentEvent(packageJson.version));
	process.on("SIGTERM", () => {
		watch.check();
		process.exit(0);
	});
}

main().catch((error: unknown) => {
	process.stderr.write(`virtualghost-agent: ${error instanceof Error ? error.stack : String(error)}\n`);
	process.exit(1);
});
