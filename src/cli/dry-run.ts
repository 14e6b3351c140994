/** `run --dry-run`: the exact command line, quoted for a POSIX shell; nothing is written or started. */

import type { Config } from "../config/schema.ts";
import { EXIT } from "../errors.ts";
import { gatherHostFacts } from "../host/facts.ts";
import { qemuArgv, shellQuote } from "../plan/argv.ts";
import { decide, inheritedChannels } from "../plan/decide.ts";
import type { Channel, MachinePlan } from "../plan/machine-plan.ts";
import { recallFallback } from "../vm/boot.ts";
import { credentialPaths } from "../vm/credentials.ts";
import { MACHINE_FOLDER } from "../vm/instance-record.ts";
import type { Look } from "../vm/look.ts";
import type { Context } from "./context.ts";
import { type FileFlags, plannedFiles } from "./files.ts";
import { findHost } from "./host.ts";
import { chooseQemu, imagePaths, keyOfHost, openExecutable } from "./open-run.ts";
import { print, printError } from "./output.ts";
import { plannedFunctions } from "./passthrough.ts";

/** Stands for the instance's name, which is made at start. */
const INSTANCE_PLACEHOLDER = "00000000";

export function dryRun(
	context: Context,
	config: Config,
	look: Look | null,
	flags: FileFlags & { json: boolean; headless: boolean; force: boolean },
): number {
	const facts = gatherHostFacts(context.env);
	const seesDisplay = facts.platform !== "linux" || facts.display.x11 !== null || facts.display.wayland !== null;
	const headless = flags.headless || !seesDisplay;
	const host = findHost(context, config, headless);
	const qemu = chooseQemu(config, context, host);
	const instanceFolder = `${context.directories.runtime}/${INSTANCE_PLACEHOLDER}`;
	if (!seesDisplay && !flags.headless && config.display.backend === "auto") {
		printError("virtualghost: no display here; this is the command line without a window\n");
	}
	using own = openExecutable(context, () => {});
	const plan = decide(config, host, qemu.facts, imagePaths(config, context, own, look), {
		headless,
		fallback: recallFallback({
			config,
			host,
			state: context.directories.state,
			hostKey: keyOfHost(context, config, qemu.facts.version),
			report: { detail: () => {} },
		}),
		passthrough: plannedFunctions({ config, host, force: flags.force }),
		...plannedFiles(context.directories.data, config, flags),
		instanceFolder: `${instanceFolder}/${MACHINE_FOLDER}`,
		channels: host.platform === "win32" ? tcpPlaceholders() : inheritedChannels(),
		credentialFiles: credentialPaths(instanceFolder),
	});
	const argv = [...qemu.facts.command, ...qemuArgv(plan)];
	if (flags.json) {
		print(`${JSON.stringify({ argv, env: qemu.env, plan }, null, 2)}\n`);
		return EXIT.ok;
	}
	printError(
		"virtualghost: the launcher adds descriptors 3 to 7, sockets, credential files and a cage (bubblewrap) when it starts this\n",
	);
	const variables = Object.entries(qemu.env).map(([name, value]) => `${name}=${shellQuote(value)}`);
	print(`${[...variables, ...argv.map(shellQuote)].join(" ")}\n`);
	return EXIT.ok;
}

/** The real ports are picked by the system at start. */
function tcpPlaceholders(): MachinePlan["channels"] {
	const channel = (port: number): Channel => ({ kind: "tcp", port });
	return { qmp: channel(1), serial: channel(2), events: channel(3) };
}
